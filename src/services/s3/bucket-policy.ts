import { actionModel } from '../../kernel/actions.ts'
import type { Ctx } from '../../kernel/context.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import { principals } from '../capabilities.ts'
import { publicAccessOf } from './account.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf, type PublicAccessBlock } from './bucket.ts'
import { fail, type Operation } from './operation.ts'
import { isPublic } from './public-policy.ts'

const largestPolicy = 20 * 1024

/** Reads a bucket policy as S3 does when it is put. Throws MalformedPolicy. */
export const parseBucketPolicy = (text: string, bucket: string): PolicyDocument => {
  if (Buffer.byteLength(text) > largestPolicy)
    throw fail('MalformedPolicy', 'Policy exceeds the maximum allowed document size.')
  let document: PolicyDocument
  try {
    document = parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw fail('MalformedPolicy', error.message)
    throw error
  }
  const statements = Array.isArray(document.Statement)
    ? (document.Statement as readonly Statement[])
    : [document.Statement as Statement]
  for (const statement of statements) checkStatement(statement, bucket)
  return document
}

const textsOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value

const checkStatement = (statement: Statement, bucket: string): void => {
  if (statement.Principal === undefined && statement.NotPrincipal === undefined)
    throw fail('MalformedPolicy', 'Missing required field Principal')
  const resources = textsOf(statement.Resource ?? statement.NotResource)
  const ours = bucketArn(bucket)
  for (const resource of resources)
    if (resource !== ours && !resource.startsWith(`${ours}/`) && !(resource === '*' || resource === `${ours}*`))
      throw fail('MalformedPolicy', 'Policy has invalid resource')
  const actions = textsOf(statement.Action ?? statement.NotAction)
  for (const action of actions)
    if (action !== '*' && !/^s3:[\w*?-]+$/i.test(action)) throw fail('MalformedPolicy', 'Policy has invalid action')
}

/**
 * Each action must be about something that its statement names, as far as the service authorization reference knows it.
 * Throws MalformedPolicy.
 */
const checkActions = async (document: PolicyDocument, bucket: string): Promise<void> => {
  const ours = bucketArn(bucket)
  for (const { Action, Resource } of [document.Statement].flat()) {
    const resources = textsOf(Resource)
    const kinds = [
      ...(resources.some((resource) => !resource.startsWith(`${ours}/`)) ? ['bucket'] : []),
      ...(resources.some((resource) => resource !== ours) ? ['object'] : []),
    ]
    for (const action of resources.length > 0 ? textsOf(Action) : []) {
      const model = /[*?]/.test(action) ? undefined : await actionModel(action)
      if (model && !model.templates.some(({ resourceType }) => kinds.includes(resourceType)))
        throw fail('MalformedPolicy', 'Action does not apply to any resource(s) in statement')
    }
  }
}

/** The policy in force; undefined where there is none. */
export const policyOf = (bucket: BucketRecord): PolicyDocument | undefined =>
  bucket.policy === undefined ? undefined : (JSON.parse(bucket.policy) as PolicyDocument)

/** Users and roles that a policy names must be there. Throws MalformedPolicy. */
const checkPrincipals = async (ctx: Ctx, document: PolicyDocument): Promise<void> => {
  for (const { Principal, NotPrincipal } of [document.Statement].flat())
    for (const element of [Principal, NotPrincipal])
      for (const name of textsOf(typeof element === 'object' ? element.AWS : undefined))
        if (!(await ctx.use(principals).exists(ctx.place, name)))
          throw fail('MalformedPolicy', 'Invalid principal in policy', { Detail: name })
}

export const PutBucketPolicy: Operation<'PutBucketPolicy'> = async (ctx, input) => {
  const { name } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  if (!input.Policy) throw fail('MissingRequestBodyError', 'Request Body is empty')
  const document = parseBucketPolicy(input.Policy, name)
  await checkActions(document, name)
  await checkPrincipals(ctx, document)
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (isPublic(document) && (await publicAccessOf(tx, bucket)).blockPublicPolicy)
      throw fail(
        'AccessDenied',
        `User: ${ctx.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "${bucketArn(bucket.name)}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`,
      )
    tx.put(Bucket, { ...bucket, policy: input.Policy })
    ctx.response.status = 204
    return {}
  })
}

export const GetBucketPolicy: Operation<'GetBucketPolicy'> = async (ctx, input) => {
  const { name, policy } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  if (policy === undefined) throw fail('NoSuchBucketPolicy', 'The bucket policy does not exist', { BucketName: name })
  return { Policy: policy }
}

export const DeleteBucketPolicy: Operation<'DeleteBucketPolicy'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { policy: _, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, bucket)
    return {}
  })

export const GetBucketPolicyStatus: Operation<'GetBucketPolicyStatus'> = async (ctx, input) => {
  const bucket = await ctx.read((tx) => bucketOf(ctx, tx, input))
  const document = policyOf(bucket)
  if (!document) throw fail('NoSuchBucketPolicy', 'The bucket policy does not exist', { BucketName: bucket.name })
  return { PolicyStatus: { IsPublic: isPublic(document) } }
}

export const PutPublicAccessBlock: Operation<'PutPublicAccessBlock'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets } =
      input.PublicAccessBlockConfiguration
    const publicAccessBlock: PublicAccessBlock = {
      blockPublicAcls: BlockPublicAcls ?? false,
      ignorePublicAcls: IgnorePublicAcls ?? false,
      blockPublicPolicy: BlockPublicPolicy ?? false,
      restrictPublicBuckets: RestrictPublicBuckets ?? false,
    }
    tx.put(Bucket, { ...bucket, publicAccessBlock })
    return {}
  })

export const GetPublicAccessBlock: Operation<'GetPublicAccessBlock'> = async (ctx, input) => {
  const { name, publicAccessBlock: block } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  if (!block)
    throw fail('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found', {
      BucketName: name,
    })
  return {
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: block.blockPublicAcls,
      IgnorePublicAcls: block.ignorePublicAcls,
      BlockPublicPolicy: block.blockPublicPolicy,
      RestrictPublicBuckets: block.restrictPublicBuckets,
    },
  }
}

export const DeletePublicAccessBlock: Operation<'DeletePublicAccessBlock'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { publicAccessBlock: _, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, bucket)
    return {}
  })
