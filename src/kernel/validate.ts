import { AwsError } from './errors.ts'
import { schemaOf } from './model/catalog.ts'
import type { IdentifiedCall } from './wire.ts'

/**
 * Checks an input against the model before its handler sees it.
 * @throws the service's validation error, in AWS's sentences.
 */
export const validate = (call: IdentifiedCall, input: Readonly<Record<string, unknown>>): void => {
  const { input: shape } = schemaOf(call.operation)
  for (const { name, traits } of shape.members.slice(0, shape.required)) {
    if (input[name] !== undefined || traits.idempotencyToken) continue
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value null at '${name}' failed to satisfy constraint: Member must not be null`,
      { status: 400 },
    )
  }
}
