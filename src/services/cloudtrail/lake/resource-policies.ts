import type { Ctx } from '../../../kernel/context.ts'
import { PolicyFinding, parsePolicy } from '../../../policy/parse.ts'
import type { PolicyDocument } from '../../../policy/policy.ts'
import { type ReadTx, table } from '../../../store/store.ts'
import { fail, type Operation } from '../operation.ts'
import { getChannel } from './channels.ts'
import { getDashboard } from './dashboards.ts'
import { getActiveStore } from './event-data-store.ts'

type PolicyRecord = { readonly arn: string; readonly text: string }
export const ResourcePolicy = table<PolicyRecord>('cloudtrail.resourcePolicy', {
  scope: 'global',
  key: ({ arn }) => arn,
})

/** There is such a resource of this account. Throws ResourceARNNotValid-, ResourceTypeNotSupported-, ResourceNotFoundException. */
const checkResource = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<void> => {
  const [, account, kind] = /^arn:aws:cloudtrail:[a-z0-9-]+:(\d{12}):([a-z]+)\/.+$/.exec(arn) ?? []
  if (kind === undefined) throw fail('ResourceARNNotValidException', `The resource ARN ${arn} is not valid.`)
  const find = { eventdatastore: getActiveStore, channel: getChannel, dashboard: getDashboard }[kind]
  if (!find) throw fail('ResourceTypeNotSupportedException', `Resources of the kind ${kind} have no policy.`)
  const missing = () => fail('ResourceNotFoundException', `The resource ${arn} was not found.`)
  if (account !== ctx.account) throw missing()
  await find(ctx, tx, arn).catch(() => {
    throw missing()
  })
}

export const PutResourcePolicy: Operation<'PutResourcePolicy'> = async (
  ctx,
  { ResourceArn: arn, ResourcePolicy: text },
) => {
  await ctx.read((tx) => checkResource(ctx, tx, arn))
  try {
    parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw fail('ResourcePolicyNotValidException', error.message)
    throw error
  }
  await ctx.write(async (tx) => {
    await checkResource(ctx, tx, arn)
    tx.put(ResourcePolicy, { arn, text })
  })
  return { ResourceArn: arn, ResourcePolicy: text }
}

const getPolicy = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<PolicyRecord> => {
  await checkResource(ctx, tx, arn)
  const policy = await tx.get(ResourcePolicy, arn)
  if (!policy) throw fail('ResourcePolicyNotFoundException', `The resource ${arn} has no policy.`)
  return policy
}

export const GetResourcePolicy: Operation<'GetResourcePolicy'> = async (ctx, { ResourceArn: arn }) => {
  const { text } = await ctx.read((tx) => getPolicy(ctx, tx, arn))
  return { ResourceArn: arn, ResourcePolicy: text }
}

export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = async (ctx, { ResourceArn: arn }) => {
  await ctx.write(async (tx) => tx.delete(ResourcePolicy, (await getPolicy(ctx, tx, arn)).arn))
  return {}
}

/** For authorization: what a resource's policy says. */
export const documentOf = async (ctx: Ctx, arn: string): Promise<PolicyDocument | undefined> => {
  const policy = await ctx.read((tx) => tx.get(ResourcePolicy, arn))
  return policy && (JSON.parse(policy.text) as PolicyDocument)
}
