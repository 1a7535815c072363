import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { awsManagedPolicy } from './aws-managed.ts'
import { iamArn, nameInArn } from './ids.ts'
import { fail } from './operation.ts'
import { nameKey, Policy, type PolicyRecord } from './records.ts'

// Managed policies by ARN, AWS's and the account's own alike.

export const policyArn = (account: string, policy: PolicyRecord): string => iamArn(account, 'policy', policy)

/** A customer managed policy of this account. */
export const findLocal = async (tx: ReadTx, account: string, arn: string): Promise<PolicyRecord | undefined> => {
  const name = nameInArn(arn, account, 'policy')
  const found = name === undefined ? undefined : await tx.get(Policy, nameKey(name))
  return found && policyArn(account, found) === arn ? found : undefined
}

export const defaultDocument = (policy: PolicyRecord): string =>
  policy.versions.find(({ id }) => id === policy.default)!.document

/** Name and document in force of a managed policy. */
export type Managed = { readonly name: string; readonly arn: string; readonly document: string }

export const findManaged = async (ctx: Ctx, arn: string): Promise<Managed | undefined> => {
  const aws = await awsManagedPolicy(arn)
  if (aws) return aws
  const local = await ctx.read((tx) => findLocal(tx, ctx.account, arn))
  return local && { name: local.name, arn, document: defaultDocument(local) }
}

/** A boundary is any managed policy. Throws NoSuchEntity. */
export const checkBoundary = async (ctx: Ctx, arn: string | undefined): Promise<void> => {
  if (arn !== undefined && !(await findManaged(ctx, arn)))
    throw fail('NoSuchEntityException', `Scope ARN: ${arn} does not exist or is not attachable.`)
}
