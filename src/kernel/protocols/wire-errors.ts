import type { LoadedService } from '../model/catalog.ts'
import type { StructureShape } from '../model/shapes.ts'
import type { IdentifiedCall, UnidentifiedCall, WireError } from '../wire.ts'

export type ErrorFacts = {
  /** The error shape's name where the service models it; the code as thrown otherwise. */
  readonly name: string
  /** As the query protocols say it: `NoSuchEntity` for `NoSuchEntityException`. */
  readonly queryCode: string
  readonly shape: StructureShape | undefined
  readonly fault: 'client' | 'server'
  /** What AWS's REST and query services answer; JSON ones answer 400 to every client error. */
  readonly status: number
}

/** What the model knows of an error. */
export const errorFacts = (call: IdentifiedCall | UnidentifiedCall, error: WireError): ErrorFacts => {
  const shape = (call.service as LoadedService | undefined)?.error?.(error.code)
  const traits = shape?.traits
  const fault =
    traits?.error ?? ((error.status ?? 400) >= 500 || error.code === 'InternalFailure' ? 'server' : 'client')
  return {
    name: shape?.name ?? error.code,
    queryCode: traits?.awsQueryError?.[0] ?? error.code,
    shape,
    fault,
    status: error.status ?? traits?.httpError ?? traits?.awsQueryError?.[1] ?? (fault === 'server' ? 500 : 400),
  }
}

/** The error's members by their model names, the message among them. */
export const errorMembers = (shape: StructureShape, error: WireError): Record<string, unknown> => {
  const message = shape.members.find(({ name }) => name.toLowerCase() === 'message')
  return message ? { ...error.members, [message.name]: error.message } : { ...error.members }
}
