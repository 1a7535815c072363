import { decodeAuthorizationMessage } from '../../kernel/authorization-message.ts'
import { fail, type Operation, refuseTokens } from './operation.ts'

/** Why a request was denied, as far as the service said it in an encoded message. Errors: InvalidAuthorizationMessageException. */
export const DecodeAuthorizationMessage: Operation<'DecodeAuthorizationMessage'> = (ctx, { EncodedMessage }) => {
  refuseTokens(ctx, 'DecodeAuthorizationMessage')
  const DecodedMessage = decodeAuthorizationMessage(ctx, EncodedMessage)
  if (DecodedMessage === undefined)
    throw fail('InvalidAuthorizationMessageException', 'Message is not valid. It was not encoded here, or was changed.')
  return { DecodedMessage }
}
