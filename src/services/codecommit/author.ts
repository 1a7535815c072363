// Who a commit made through the API says it is by.

import type { Ctx } from '../../kernel/context.ts'
import { fail } from './operation.ts'

const longestMessage = 256 * 1024
const longestName = 256

export type Author = {
  readonly name?: string | undefined
  readonly email?: string | undefined
  readonly message?: string | undefined
}

/** Raises NameLengthExceededException, InvalidEmailException and CommitMessageLengthExceededException. */
export const checkAuthor = ({ name, email, message }: Author): void => {
  if (name !== undefined && name.length > longestName)
    throw fail('NameLengthExceededException', `The name must have at most ${longestName} characters.`)
  if (email !== undefined && (email.length > longestName || /[<>\s\0]/.test(email)))
    throw fail('InvalidEmailException', 'The email address is not valid.')
  if (message !== undefined && Buffer.byteLength(message) > longestMessage)
    throw fail('CommitMessageLengthExceededException', 'The commit message must have at most 256 KB.')
}

/** Author and time of a commit; the caller's own name where none is given. */
export const signatureOf = (ctx: Ctx, { name, email }: Author) => ({
  name: name ?? ctx.principal.sessionName ?? ctx.principal.name ?? 'root',
  email: email ?? '',
  time: ctx.now(),
})
