import type { Ctx } from '../kernel/context.ts'

export type StepResult = { readonly done: true } | { readonly done: false; readonly in: number }

/** The step found nothing more to do for this key. */
export const done = (): StepResult => ({ done: true })

/** Run the step again, `in` milliseconds of the clock from now; sooner when something wakes the key. */
export const again = (options: { in: number }): StepResult => ({ done: false, in: options.in })

/**
 * Work that goes on after a call has answered. A step gets the key of a row, reads the present, takes one idempotent
 * action and says what comes next. A key's steps never overlap. A throw is retried with backoff; at start every key
 * that was due or in a step is woken, so a restart needs no special code.
 */
export type Reconciler = {
  readonly name: string
  /**
   * At start every waiting key is woken, due or not: for work that must take hold again of what outlives the server (a
   * machine that runs on).
   */
  readonly atStart?: boolean
  /** `ctx` is at the place of the row and has the service's own identity: call other services by `ctx.as(role)`. */
  readonly step: (ctx: Ctx, key: string) => Promise<StepResult>
}
