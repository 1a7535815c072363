import type { Ctx } from '../../kernel/context.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import type { Place } from '../../store/store.ts'
import { principals, type TableGuards } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'
import { findWithBucket, getTable, Table, tableArn } from './table.ts'
import { getTableBucket, TableBucket } from './table-buckets.ts'

// Policies of table buckets and tables ("Resource-based policies for S3 Tables", S3 user guide).

const textsOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value

const statementsOf = (document: PolicyDocument): readonly Statement[] => [document.Statement].flat()

/** A statement speaks to somebody, of actions of S3 Tables, on what the policy is attached to. */
const checkStatement = (statement: Statement, arn: string): void => {
  if (statement.Principal === undefined && statement.NotPrincipal === undefined)
    throw fail('BadRequestException', 'Missing required field Principal')
  for (const resource of textsOf(statement.Resource ?? statement.NotResource))
    if (resource !== '*' && resource !== arn && !resource.startsWith(`${arn}/`) && resource !== `${arn}*`)
      throw fail('BadRequestException', 'Policy has invalid resource')
  for (const action of textsOf(statement.Action ?? statement.NotAction))
    if (action !== '*' && !/^s3tables:[\w*?]+$/i.test(action))
      throw fail('BadRequestException', 'Policy has invalid action')
}

/** Reads a policy that is to be attached. Throws BadRequestException. */
const checkPolicy = async (ctx: Ctx, text: string, arn: string): Promise<void> => {
  let document: PolicyDocument
  try {
    document = parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw fail('BadRequestException', error.message)
    throw error
  }
  for (const statement of statementsOf(document)) {
    checkStatement(statement, arn)
    for (const element of [statement.Principal, statement.NotPrincipal])
      for (const name of textsOf(typeof element === 'object' ? element.AWS : undefined))
        if (!(await ctx.use(principals).exists(ctx.place, name)))
          throw fail('BadRequestException', 'Invalid principal in policy')
  }
}

const noPolicy = () => fail('NotFoundException', 'The specified policy does not exist.')

export const PutTableBucketPolicy: Operation<'PutTableBucketPolicy'> = async (ctx, input) => {
  const { arn } = await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  await checkPolicy(ctx, input.resourcePolicy, arn)
  return ctx.write(async (tx) => {
    tx.put(TableBucket, { ...(await getTableBucket(ctx, tx, arn)), policy: input.resourcePolicy })
    return {}
  })
}

export const GetTableBucketPolicy: Operation<'GetTableBucketPolicy'> = async (ctx, input) => {
  const { policy } = await ctx.read((tx) => getTableBucket(ctx, tx, input.tableBucketARN))
  if (policy === undefined) throw noPolicy()
  return { resourcePolicy: policy }
}

export const DeleteTableBucketPolicy: Operation<'DeleteTableBucketPolicy'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { policy: _, ...bucket } = await getTableBucket(ctx, tx, input.tableBucketARN)
    tx.put(TableBucket, bucket)
    return {}
  })

export const PutTablePolicy: Operation<'PutTablePolicy'> = async (ctx, input) => {
  const table = await ctx.read((tx) => getTable(ctx, tx, input))
  await checkPolicy(ctx, input.resourcePolicy, tableArn(table))
  return ctx.write(async (tx) => {
    tx.put(Table, { ...(await getTable(ctx, tx, input)), policy: input.resourcePolicy })
    return {}
  })
}

export const GetTablePolicy: Operation<'GetTablePolicy'> = async (ctx, input) => {
  const { policy } = await ctx.read((tx) => getTable(ctx, tx, input))
  if (policy === undefined) throw noPolicy()
  return { resourcePolicy: policy }
}

export const DeleteTablePolicy: Operation<'DeleteTablePolicy'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { policy: _, ...table } = await getTable(ctx, tx, input)
    tx.put(Table, table)
    return {}
  })

/** Policies together, as one document. */
const together = (...policies: readonly (string | undefined)[]): { document?: PolicyDocument } => {
  const statements = policies.flatMap((policy) =>
    policy === undefined ? [] : statementsOf(JSON.parse(policy) as PolicyDocument),
  )
  return statements.length > 0 ? { document: { Version: '2012-10-17', Statement: statements } } : {}
}

/** What a table bucket or table says of who may use it, and whose it is: a bucket's policy speaks of its tables too. */
export const resourcePolicy = (
  ctx: Ctx,
  arn: string,
): Promise<{ account: string; document?: PolicyDocument } | undefined> =>
  ctx.read(async (tx) => {
    const found = await findWithBucket(tx, arn)
    if (found) return { account: found.table.account, ...together(found.table.policy, found.bucket.policy) }
    const bucket = await tx.get(TableBucket, arn.replace(/\/table\/[^/]*$/, ''))
    return bucket && { account: bucket.account, ...together(bucket.policy) }
  })

export const resourceTags = (ctx: Ctx, arn: string): Promise<Readonly<Record<string, string>> | undefined> =>
  ctx.read(async (tx) => (await findWithBucket(tx, arn))?.table.tags ?? (await tx.get(TableBucket, arn))?.tags)

/** Tables are found wherever they are: the tables are global. */
export const makeTableGuards = (at: (place: Place) => Ctx): TableGuards => ({
  find: async (arn) => {
    const found = await at({ account: '000000000000', region: 'us-east-1' }).read((tx) => findWithBucket(tx, arn))
    if (!found) return undefined
    const { table, bucket } = found
    return {
      account: table.account,
      namespace: table.namespace,
      name: table.name,
      readOnly: table.type === 'aws',
      tags: table.tags ?? {},
      bucketTags: bucket.tags ?? {},
      ...together(table.policy, bucket.policy),
    }
  },
})
