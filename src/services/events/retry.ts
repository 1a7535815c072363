import { AwsError } from '../../kernel/errors.ts'

// When a delivery that failed is tried again ("How EventBridge retries delivering events"). Pure.

/** A target's own RetryPolicy, as far as it says something. */
export type RetryPolicy = { readonly attempts?: number; readonly ageSeconds?: number }

const RETRIES = 185
const AGE_SECONDS = 86_400
const SHORTEST_PAUSE = 1000
const LONGEST_PAUSE = 300_000

/**
 * Milliseconds until the next attempt, `undefined` when there is none. `failed` counts the attempts that failed, `age` is
 * the time since the event came, in milliseconds. Missing permission and a target that is not there are final at once.
 */
export const pauseAfter = (
  error: unknown,
  failed: number,
  age: number,
  policy: RetryPolicy = {},
): number | undefined => {
  if (isFinal(error) || failed > (policy.attempts ?? RETRIES)) return undefined
  const pause = Math.min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** Math.min(failed - 1, 20))
  return age + pause > (policy.ageSeconds ?? AGE_SECONDS) * 1000 ? undefined : pause
}

const isFinal = (error: unknown): boolean =>
  error instanceof AwsError &&
  /AccessDenied|NotAuthorized|NotFound|DoesNotExist|Validation|Invalid|NotImplemented/.test(error.code)
