import { AwsError } from '../../kernel/errors.ts'

/** What KMS answers where members of a request do not go together. */
export const invalidInput = (message: string): AwsError => new AwsError('ValidationException', message, { status: 400 })
