import type { ResourcePolicy } from '@aws-sdk/client-organizations'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import type { ReadTx } from '../../store/store.ts'
import { asManagement, asReader } from './caller.ts'
import { newId, resourcePolicyArn } from './ids.ts'
import { fail, invalid, type Operation } from './operation.ts'
import { type OrganizationRecord, Organizations } from './records.ts'
import { withTags } from './tags.ts'
import { findMember } from './tree.ts'

// The delegation policy: which member accounts may manage policies for the management account ("Delegated administrator
// for AWS Organizations", Organizations user guide).

/** What every delegated administrator may call: all that reads ("Delegated administrator for AWS services …"). */
export const readActions: readonly string[] = [
  'DescribeAccount',
  'DescribeCreateAccountStatus',
  'DescribeEffectivePolicy',
  'DescribeHandshake',
  'DescribeOrganization',
  'DescribeOrganizationalUnit',
  'DescribePolicy',
  'DescribeResourcePolicy',
  'ListAccounts',
  'ListAccountsForParent',
  'ListAccountsWithInvalidEffectivePolicy',
  'ListAWSServiceAccessForOrganization',
  'ListChildren',
  'ListCreateAccountStatus',
  'ListDelegatedAdministrators',
  'ListDelegatedServicesForAccount',
  'ListEffectivePolicyValidationErrors',
  'ListHandshakesForAccount',
  'ListHandshakesForOrganization',
  'ListOrganizationalUnitsForParent',
  'ListParents',
  'ListPolicies',
  'ListPoliciesForTarget',
  'ListRoots',
  'ListTagsForResource',
  'ListTargetsForPolicy',
].map((name) => `organizations:${name}`)

/** What every member may call; the operations decide about themselves whom they answer. */
export const memberActions: readonly string[] = [
  'AcceptHandshake',
  'DeclineHandshake',
  'DescribeEffectivePolicy',
  'DescribeHandshake',
  'DescribeOrganization',
  'LeaveOrganization',
  'ListHandshakesForAccount',
].map((name) => `organizations:${name}`)

const writeActions = [
  'AttachPolicy',
  'CreatePolicy',
  'DeletePolicy',
  'DetachPolicy',
  'DisablePolicyType',
  'EnablePolicyType',
  'TagResource',
  'UntagResource',
  'UpdatePolicy',
].map((name) => `organizations:${name}`)

const delegable = new Set([...readActions, ...writeActions].map((action) => action.toLowerCase()))

const strings = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value

/** `organizations:List*` stands for actions that may be delegated; other wildcards could stand for more. */
const mayDelegate = (action: string): boolean => {
  const name = action.toLowerCase()
  return delegable.has(name) || /^organizations:(list|describe)[a-z]*\*$/.test(name)
}

const checkStatement = async (tx: ReadTx, organization: OrganizationRecord, statement: Statement): Promise<void> => {
  if (statement.NotAction !== undefined || !strings(statement.Action).every(mayDelegate))
    throw invalid(
      'UNSUPPORTED_ACTION_IN_RESOURCE_POLICY',
      'The resource policy contains an action that is not supported.',
    )
  const names =
    typeof statement.Principal === 'object' && Object.keys(statement.Principal).every((type) => type === 'AWS')
      ? strings(statement.Principal.AWS)
      : []
  const accounts = names.map((name) => /^(?:arn:aws:iam::)?(\d{12})(?::|$)/.exec(name)?.[1])
  for (const account of accounts.length > 0 ? accounts : [undefined])
    if (account === undefined || !(await findMember(tx, organization, account)))
      throw invalid('INVALID_PRINCIPAL', 'The resource policy names a principal that is not valid.')
  const home = new RegExp(`^arn:aws:organizations::(${organization.management}|aws|\\*):`)
  if (statement.NotResource !== undefined || !strings(statement.Resource).every((arn) => arn === '*' || home.test(arn)))
    throw invalid(
      'UNSUPPORTED_RESOURCE_IN_RESOURCE_POLICY',
      'The resource policy contains a resource that is not supported.',
    )
}

const parse = (content: string): PolicyDocument => {
  try {
    return parsePolicy(content, 'resource')
  } catch (thrown) {
    if (thrown instanceof PolicyFinding)
      throw invalid('INVALID_RESOURCE_POLICY_JSON', `The resource policy is not valid. ${thrown.message}`)
    throw thrown
  }
}

const toPolicy = (organization: OrganizationRecord): ResourcePolicy | undefined => {
  const { delegation } = organization
  return (
    delegation && {
      ResourcePolicySummary: { Id: delegation.id, Arn: resourcePolicyArn(organization, delegation.id) },
      Content: delegation.content,
    }
  )
}

/** Tags are for a new one only. Errors: InvalidInputException, ConstraintViolationException. */
export const PutResourcePolicy: Operation<'PutResourcePolicy'> = (ctx, { Content, Tags }) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const document = parse(Content)
    for (const statement of [document.Statement].flat() as readonly Statement[])
      await checkStatement(tx, organization, statement)
    const present = organization.delegation
    if (present && Tags?.length)
      throw invalid(
        'INVALID_LIST_MEMBER',
        'You can specify tags only when you create a resource policy. Use TagResource for one that exists.',
      )
    const delegation = present
      ? { ...present, content: Content }
      : { id: newId.resourcePolicy(ctx), content: Content, tags: withTags({}, Tags) }
    return { ResourcePolicy: toPolicy(tx.put(Organizations, { ...organization, delegation })) }
  })

const notFound = () => fail('ResourcePolicyNotFoundException', 'The organization does not have a resource policy.')

export const DescribeResourcePolicy: Operation<'DescribeResourcePolicy'> = (ctx) =>
  ctx.read(async (tx) => {
    const policy = toPolicy(await asReader(tx, ctx))
    if (!policy) throw notFound()
    return { ResourcePolicy: policy }
  })

export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = (ctx) =>
  ctx.write(async (tx) => {
    const { delegation, ...organization } = await asManagement(tx, ctx)
    if (!delegation) throw notFound()
    tx.put(Organizations, organization)
    return {}
  })
