import type { Ctx } from '../../kernel/context.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { table } from '../../store/store.ts'
import { fail, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { Project } from './project.ts'
import { ReportGroup } from './report-group.ts'

/** Whom a project or report group is shared with. Global: accounts ask what others share with them. */
type ResourcePolicyRecord = {
  readonly arn: string
  readonly text: string
  /** Milliseconds. */
  readonly modified: number
}

export const ResourcePolicy = table<ResourcePolicyRecord>('codebuild.resourcePolicy', {
  scope: 'global',
  key: ({ arn }) => arn,
})

const invalid = (message: string) => fail('InvalidInputException', message)

const shareable = /^arn:aws:codebuild:([a-z0-9-]+):(\d{12}):(project|report-group)\/([\w-]{2,150})$/

/** What the ARN names, if it is there. Throws ResourceNotFoundException. */
const checkResource = async (ctx: Ctx, arn: string): Promise<void> => {
  const [, region, account, kind, name] = shareable.exec(arn) ?? []
  if (!region || !account || !name) throw invalid(`Invalid resource ARN: ${arn}`)
  const found = await ctx
    .at({ account, region })
    .read<unknown>((tx) => (kind === 'project' ? tx.get(Project, name) : tx.get(ReportGroup, name)))
  if (!found) throw fail('ResourceNotFoundException', `Resource cannot be found: ${arn}`)
}

/** AWS API: "PutResourcePolicy". */
export const PutResourcePolicy: Operation<'PutResourcePolicy'> = async (ctx, { policy, resourceArn }) => {
  await checkResource(ctx, resourceArn)
  if (policy.length > 20_480) throw invalid('The resource policy is too long')
  try {
    parsePolicy(policy, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw invalid(`Invalid resource policy: ${error.message}`)
    throw error
  }
  await ctx.write(async (tx) =>
    tx.put(ResourcePolicy, { arn: resourceArn, text: policy, modified: ctx.now().getTime() }),
  )
  return { resourceArn }
}

/** AWS API: "GetResourcePolicy". */
export const GetResourcePolicy: Operation<'GetResourcePolicy'> = async (ctx, { resourceArn }) => {
  const found = await ctx.read((tx) => tx.get(ResourcePolicy, resourceArn))
  if (!found) throw fail('ResourceNotFoundException', `Resource policy cannot be found: ${resourceArn}`)
  return { policy: found.text }
}

/** AWS API: "DeleteResourcePolicy". */
export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = async (ctx, { resourceArn }) => {
  if (!shareable.test(resourceArn)) throw invalid(`Invalid resource ARN: ${resourceArn}`)
  await ctx.write(async (tx) => tx.delete(ResourcePolicy, resourceArn))
  return {}
}

const documentIn = (text: string) => JSON.parse(text) as PolicyDocument

/** The policy of a project or report group, and whose it is; `undefined` for other ARNs. */
export const policyOf = async (
  ctx: Ctx,
  arn: string,
): Promise<{ account: string; document?: PolicyDocument } | undefined> => {
  const account = shareable.exec(arn)?.[2]
  if (!account) return undefined
  const found = await ctx.read((tx) => tx.get(ResourcePolicy, arn))
  return { account, ...(found ? { document: documentIn(found.text) } : {}) }
}

const admits = ({ text }: ResourcePolicyRecord, account: string): boolean =>
  [documentIn(text).Statement].flat().some(({ Effect, Principal }) => {
    const named = typeof Principal === 'object' && Principal ? [Principal.AWS ?? []].flat() : []
    return Effect === 'Allow' && named.some((one) => one === account || one.startsWith(`arn:aws:iam::${account}:`))
  })

const sharedWith = async (
  ctx: Ctx,
  kind: string,
  input: {
    sortBy?: string | undefined
    sortOrder?: string | undefined
    nextToken?: string | undefined
    maxResults?: number | undefined
  },
): Promise<{ page: string[]; nextToken?: string }> => {
  const all = await ctx.read((tx) => tx.list(ResourcePolicy))
  const found = all.filter((one) => {
    const [, region, account, type] = shareable.exec(one.arn) ?? []
    return type === kind && region === ctx.region && account !== ctx.account && admits(one, ctx.account)
  })
  if (input.sortBy === 'MODIFIED_TIME') found.sort((a, b) => a.modified - b.modified)
  if (input.sortOrder === 'DESCENDING') found.reverse()
  const from = Number(positionOf(input.nextToken) ?? 0)
  const page = found.slice(from, from + (input.maxResults ?? pageSize)).map(({ arn }) => arn)
  const next = from + page.length
  return { page, ...(next < found.length ? { nextToken: tokenOf(String(next)) } : {}) }
}

/** AWS API: "ListSharedProjects". */
export const ListSharedProjects: Operation<'ListSharedProjects'> = async (ctx, input) => {
  const { page, ...more } = await sharedWith(ctx, 'project', input)
  return { projects: page, ...more }
}

/** AWS API: "ListSharedReportGroups". */
export const ListSharedReportGroups: Operation<'ListSharedReportGroups'> = async (ctx, input) => {
  const { page, ...more } = await sharedWith(ctx, 'report-group', input)
  return { reportGroups: page, ...more }
}
