import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import { accessPoints } from '../capabilities.ts'
import { accessPointArn, getAccessPoint, noSuchAccessPoint } from './access-points.ts'
import { accountOf, type Operation, refuse } from './operation.ts'

// Who may come through an access point ("Configuring IAM policies for using access points", S3 user guide).

const largestPolicy = 20 * 1024

const malformed = (message: string) => refuse('MalformedPolicy', message)

const textsOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value

/** It speaks of the access point itself and of objects behind it. */
const checkStatement = (statement: Statement, arn: string): void => {
  if (statement.Principal === undefined && statement.NotPrincipal === undefined)
    throw malformed('Missing required field Principal')
  for (const resource of textsOf(statement.Resource ?? statement.NotResource))
    if (resource !== arn && !resource.startsWith(`${arn}/object/`)) throw malformed('Policy has invalid resource')
  for (const action of textsOf(statement.Action ?? statement.NotAction))
    if (action !== '*' && !/^s3:[\w*?-]+$/i.test(action)) throw malformed('Policy has invalid action')
}

const parse = (text: string, arn: string): PolicyDocument => {
  if (Buffer.byteLength(text) > largestPolicy) throw malformed('Policy exceeds the maximum allowed document size.')
  try {
    const document = parsePolicy(text, 'resource')
    for (const statement of [document.Statement].flat() as Statement[]) checkStatement(statement, arn)
    return document
  } catch (error) {
    if (error instanceof PolicyFinding) throw malformed(error.message)
    throw error
  }
}

/** Errors: MalformedPolicy, NoSuchAccessPoint; AccessDenied for a public policy that is blocked. */
export const PutAccessPointPolicy: Operation<'PutAccessPointPolicy'> = async (ctx, input) => {
  const point = await getAccessPoint(ctx, input)
  const points = ctx.use(accessPoints)
  const document = parse(input.Policy, accessPointArn(point))
  if (points.isPublic(point, document) && (await points.block(point)).blockPublicPolicy)
    throw refuse('AccessDenied', 'Access Denied')
  const put = await points.change(point.account, point.region, point.name, (present) => ({
    ...present,
    policy: input.Policy,
  }))
  if (!put) throw noSuchAccessPoint(point.name)
  return {}
}

const noSuchPolicy = (name: string) =>
  refuse('NoSuchAccessPointPolicy', 'The specified accesspoint policy does not exist', { AccessPointName: name })

export const GetAccessPointPolicy: Operation<'GetAccessPointPolicy'> = async (ctx, input) => {
  const { name, policy } = await getAccessPoint(ctx, input)
  if (policy === undefined) throw noSuchPolicy(name)
  return { Policy: policy }
}

export const GetAccessPointPolicyStatus: Operation<'GetAccessPointPolicyStatus'> = async (ctx, input) => {
  const point = await getAccessPoint(ctx, input)
  if (point.policy === undefined) throw noSuchPolicy(point.name)
  const document = JSON.parse(point.policy) as PolicyDocument
  return { PolicyStatus: { IsPublic: ctx.use(accessPoints).isPublic(point, document) } }
}

export const DeleteAccessPointPolicy: Operation<'DeleteAccessPointPolicy'> = async (ctx, input) => {
  const there = await ctx
    .use(accessPoints)
    .change(accountOf(ctx, input), ctx.region, input.Name, ({ policy: _, ...point }) => point)
  if (!there) throw noSuchAccessPoint(input.Name)
  ctx.response.status = 204
  return {}
}
