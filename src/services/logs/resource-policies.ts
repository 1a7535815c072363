import type { ResourcePolicy as WireResourcePolicy } from '@aws-sdk/client-cloudwatch-logs'
import { notImplemented } from '../../kernel/errors.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { fail, fromToken, type Operation, toToken } from './operation.ts'

/** A policy of the whole account and region: lets AWS services write to its log groups. */
export type ResourcePolicyRecord = { readonly name: string; readonly document: string; readonly updated: number }

export const ResourcePolicy = table<ResourcePolicyRecord>('logs.resourcePolicy', {
  scope: 'region',
  key: ({ name }) => name,
})

const MOST = 10
const PAGE = 50

const toResourcePolicy = ({ name, document, updated }: ResourcePolicyRecord): WireResourcePolicy => ({
  policyName: name,
  policyDocument: document,
  lastUpdatedTime: updated,
  policyScope: 'ACCOUNT',
})

const parse = (document: string): PolicyDocument => {
  try {
    const policy: unknown = JSON.parse(document)
    if (typeof policy === 'object' && policy !== null && 'Statement' in policy) return policy as PolicyDocument
  } catch {
    // Said below, like every other text that is no policy.
  }
  throw fail('InvalidParameterException', 'Invalid policy document')
}

/** All statements of the account's policies as one document. */
export const combined = async (tx: ReadTx): Promise<PolicyDocument | undefined> => {
  const policies = await tx.list(ResourcePolicy)
  if (policies.length === 0) return undefined
  const statements = policies.flatMap(({ document }): readonly Statement[] => {
    const { Statement: one } = parse(document)
    return Array.isArray(one) ? one : [one as Statement]
  })
  return { Version: '2012-10-17', Statement: statements }
}

export const PutResourcePolicy: Operation<'PutResourcePolicy'> = async (ctx, input) => {
  const { policyName, policyDocument } = input
  if (input.resourceArn !== undefined || input.expectedRevisionId !== undefined)
    throw notImplemented('resource policies of one log group')
  if (policyName === undefined || policyDocument === undefined)
    throw fail('InvalidParameterException', 'policyName and policyDocument are required.')
  parse(policyDocument)
  const policy = await ctx.write(async (tx) => {
    const all = await tx.list(ResourcePolicy)
    if (all.length >= MOST && !all.some(({ name }) => name === policyName))
      throw fail('LimitExceededException', 'Resource limit exceeded.')
    return tx.put(ResourcePolicy, { name: policyName, document: policyDocument, updated: ctx.now().getTime() })
  })
  return { resourcePolicy: toResourcePolicy(policy) }
}

export const DescribeResourcePolicies: Operation<'DescribeResourcePolicies'> = async (ctx, input) => {
  if (input.resourceArn !== undefined || input.policyScope === 'RESOURCE')
    throw notImplemented('resource policies of one log group')
  const limit = input.limit ?? PAGE
  const after = fromToken(input.nextToken)
  const found = await ctx.read((tx) =>
    tx.list(ResourcePolicy, { limit: limit + 1, ...(after === undefined ? {} : { after }) }),
  )
  const page = found.slice(0, limit)
  return {
    resourcePolicies: page.map(toResourcePolicy),
    nextToken: found.length > limit ? toToken(page.at(-1)?.name ?? '') : undefined,
  }
}

export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = async (ctx, input) => {
  const { policyName } = input
  if (input.resourceArn !== undefined || input.expectedRevisionId !== undefined)
    throw notImplemented('resource policies of one log group')
  await ctx.write(async (tx) => {
    if (policyName === undefined || !(await tx.get(ResourcePolicy, policyName)))
      throw fail('ResourceNotFoundException', `Policy with name [${policyName ?? ''}] does not exist.`)
    tx.delete(ResourcePolicy, policyName)
  })
  return {}
}
