/** Members beside `message` that an error shape carries, by their names in the model. */
export type ErrorMembers = Readonly<Record<string, unknown>>

/**
 * An error the caller sees. The model gives class, HTTP status and wire form for `code`; what is not modelled
 * (EC2's errors, the common errors) takes `status`, 400 unless told.
 */
export class AwsError extends Error {
  readonly code: string
  readonly status: number | undefined
  readonly members: ErrorMembers
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: string,
    message: string,
    options: { status?: number; members?: ErrorMembers; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = code
    this.code = code
    this.status = options.status
    this.members = options.members ?? {}
    this.headers = options.headers ?? {}
  }
}

type ErrorName<NS> = keyof {
  [K in keyof NS as NS[K] extends abstract new (...args: never) => Error ? K : never]: true
} &
  string

/**
 * The error maker of one service, typed by the exception classes its SDK package exports:
 * `const fail = errorsOf<typeof import('@aws-sdk/client-codecommit')>()`, then `throw fail('RepositoryDoesNotExistException', '…')`.
 */
export const errorsOf =
  <NS>() =>
  (code: ErrorName<NS>, message: string, members?: ErrorMembers): AwsError =>
    new AwsError(code, message, members ? { members } : {})

/** HTTP 501: what Drydock does not do, named. Never answer success instead. */
export const notImplemented = (what: string): AwsError =>
  new AwsError('NotImplemented', `Drydock does not implement ${what}.`, { status: 501 })

/** A body that broke off: its client is gone or sent less than it had said. */
export const incompleteBody = (): AwsError =>
  new AwsError(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
    { status: 400 },
  )
