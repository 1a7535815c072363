// Client request tokens: the same request again is answered by what it made the first time.

import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { fail } from './operation.ts'

export type Asked = { readonly token: string; readonly asked: string }

/** The token of a request (one of our own where it has none), and a hash of what it asks. Raises InvalidClientRequestTokenException. */
export const askedOf = (
  ctx: Ctx,
  { clientRequestToken, ...request }: { clientRequestToken?: string | undefined },
): Asked => {
  if (clientRequestToken !== undefined && !/^.{1,255}$/su.test(clientRequestToken))
    throw fail('InvalidClientRequestTokenException', 'The client request token is not valid.')
  return {
    token: clientRequestToken ?? ctx.newId(),
    asked: createHash('sha256').update(JSON.stringify(request)).digest('hex'),
  }
}

/** Raises IdempotencyParameterMismatchException when the token was used for another request. */
export const checkAgain = (first: Asked, now: Asked): void => {
  if (first.asked !== now.asked)
    throw fail(
      'IdempotencyParameterMismatchException',
      'The client request token was used before in a request with other parameters.',
    )
}
