import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Principal } from '../../kernel/principal.ts'

/** The role under which Access Analyzer looks at an account ("Using service-linked roles for IAM Access Analyzer"). */
export const linkedRole = (account: string): string =>
  `arn:aws:iam::${account}:role/aws-service-role/access-analyzer.amazonaws.com/AWSServiceRoleForAccessAnalyzer`

export const rootOf = (account: string): Principal => ({
  kind: 'root',
  account,
  arn: `arn:aws:iam::${account}:root`,
  id: account,
})

/** Makes the role where it is not there yet, by this principal's right to. Throws AccessDeniedException. */
export const ensureLinkedRole = async (ctx: Ctx, by: Principal, account = ctx.account): Promise<void> => {
  const present = await ctx
    .as(linkedRole(account), { account })
    .principal()
    .then(
      () => true,
      (error: unknown) => {
        if (error instanceof AwsError) return false
        throw error
      },
    )
  if (present) return
  await ctx
    .as(by, { account })
    .iam.createServiceLinkedRole({ AWSServiceName: 'access-analyzer.amazonaws.com' })
    .catch((error: unknown) => {
      // Somebody else was faster.
      if (!(error instanceof AwsError && /has been taken/.test(error.message))) throw error
    })
}
