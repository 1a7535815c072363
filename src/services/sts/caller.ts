import { accountOfAccessKey } from '../../kernel/access-key-id.ts'
import { invalid, type Operation, refuseTokens } from './operation.ts'

/** Who calls. Needs no permission, and no policy can deny it. */
export const GetCallerIdentity: Operation<'GetCallerIdentity'> = ({ principal }) => ({
  UserId: principal.id,
  Account: principal.account,
  Arn: principal.arn,
})

/** The account that an access key id names; says nothing of whether there is such a key. */
export const GetAccessKeyInfo: Operation<'GetAccessKeyInfo'> = (ctx, { AccessKeyId }) => {
  refuseTokens(ctx, 'GetAccessKeyInfo')
  const Account = accountOfAccessKey(AccessKeyId)
  if (Account === undefined) throw invalid(`Invalid access key ID: ${AccessKeyId}`)
  return { Account }
}
