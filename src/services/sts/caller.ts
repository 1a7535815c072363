import type { Operation } from './operation.ts'

/** Who calls. Needs no permission, and no policy can deny it. */
export const GetCallerIdentity: Operation<'GetCallerIdentity'> = ({ principal }) => ({
  UserId: principal.id,
  Account: principal.account,
  Arn: principal.arn,
})
