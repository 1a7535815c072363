import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import type { ReadTx } from '../../store/store.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { addressOf, findByArn, Parameter, type ParameterRecord } from './parameter.ts'

// Parameters that other accounts read, by policies on them ("Working with shared parameters in Parameter Store", Systems Manager
// user guide). There is no Resource Access Manager, so a policy is never promoted to a share of its own.

/** In bytes ("ResourcePolicyLimitExceededException", Systems Manager API reference). */
const LARGEST = 1024
/** A page of GetResourcePolicies at its longest; AWS tells no limit for parameters. */
const MOST = 50

/** What AWS's two permissions for shared parameters allow between them. */
const actions = /^ssm:(DescribeParameters|GetParameters?|GetParameterHistory)$/i

const malformed = (message: string) => fail('MalformedResourcePolicyDocumentException', message)
const wrong = (message: string, ...ParameterNames: string[]) =>
  fail('ResourcePolicyInvalidParameterException', message, { ParameterNames })

/** The parameter that is shared, of the caller's account. Raises ResourceNotFoundException, ResourcePolicyInvalidParameterException. */
const sharedParameter = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<ParameterRecord> => {
  if (/^arn:aws:ssm:[\w-]*:\d*:opsitemgroup\//.test(arn)) throw notImplemented('resource policies of OpsItem groups')
  const address = addressOf(ctx, arn)
  if (!address || address.selector !== undefined) throw wrong('The ARN is not that of a parameter.', 'ResourceArn')
  const found = await findByArn(ctx, tx, arn)
  if (!found) throw fail('ResourceNotFoundException', 'The specified parameter to be shared could not be found.')
  return found
}

const statementsOf = ({ Statement: statements }: PolicyDocument): readonly Statement[] => [statements].flat()

const checkPolicy = (text: string, arn: string): void => {
  if (Buffer.byteLength(text) > LARGEST)
    throw fail('ResourcePolicyLimitExceededException', `A policy can't be greater than ${LARGEST} bytes in size.`, {
      Limit: LARGEST,
      LimitType: 'PolicySize',
    })
  let document: PolicyDocument
  try {
    document = parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw malformed(error.message)
    throw error
  }
  for (const { Principal, Action, Resource } of statementsOf(document)) {
    if (Principal === undefined) throw malformed('A statement of a shared parameter names its principals.')
    if (Action === undefined || ![Action].flat().every((action) => actions.test(action)))
      throw malformed('A shared parameter can be described and read, and nothing else.')
    if (Resource === undefined || ![Resource].flat().every((resource) => resource === arn))
      throw malformed('The resource of a policy is the parameter that it is on.')
  }
}

/** Only advanced parameters are shared, and secrets only under keys that can be shared too. */
const checkShareable = ({ current }: ParameterRecord): void => {
  if (current.tier !== 'Advanced')
    throw wrong('To share a parameter, it must be in the advanced parameter tier.', 'ResourceArn')
  if (current.keyId !== undefined && /^(.*:)?alias\/aws\/ssm$/.test(current.keyId))
    throw wrong('To share a SecureString parameter, it must be encrypted with a customer managed key.', 'ResourceArn')
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The policy of this id and hash. Raises ResourcePolicyNotFoundException, ResourcePolicyConflictException. */
const getPolicy = ({ sharing = [] }: ParameterRecord, id: string, hash: string | undefined) => {
  const found = sharing.find((one) => one.id === id)
  if (!found)
    throw fail('ResourcePolicyNotFoundException', 'No policies with the specified policy ID and hash could be found.')
  if (hashOf(found.text) !== hash)
    throw fail('ResourcePolicyConflictException', "The hash provided in the call doesn't match the stored hash.")
  return found
}

/** Shares a parameter, or with its id and hash changes how it is shared. */
export const PutResourcePolicy: Operation<'PutResourcePolicy'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const parameter = await sharedParameter(ctx, tx, input.ResourceArn)
    checkShareable(parameter)
    checkPolicy(input.Policy, input.ResourceArn)
    const { sharing = [] } = parameter
    if (input.PolicyId === undefined && input.PolicyHash !== undefined)
      throw wrong('A hash is that of a policy: PolicyId is missing.', 'PolicyId')
    const before = input.PolicyId === undefined ? undefined : getPolicy(parameter, input.PolicyId, input.PolicyHash)
    if (!before && sharing.length >= MOST)
      throw fail('ResourcePolicyLimitExceededException', `A parameter can have ${MOST} policies at most.`, {
        Limit: MOST,
        LimitType: 'PolicyCount',
      })
    const policy = { id: before?.id ?? ctx.newId(), text: input.Policy }
    const others = sharing.filter(({ id }) => id !== policy.id)
    tx.put(Parameter, { ...parameter, sharing: [...others, policy] })
    return { PolicyId: policy.id, PolicyHash: hashOf(policy.text) }
  })

export const GetResourcePolicies: Operation<'GetResourcePolicies'> = async (ctx, input) => {
  const { sharing = [] } = await ctx.read((tx) => sharedParameter(ctx, tx, input.ResourceArn))
  const inOrder = sharing.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const { items, next } = pageOf(inOrder, input, MOST, ({ id }) => id)
  return { Policies: items.map(({ id, text }) => ({ PolicyId: id, PolicyHash: hashOf(text), Policy: text })), ...next }
}

export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const parameter = await sharedParameter(ctx, tx, input.ResourceArn)
    const { id } = getPolicy(parameter, input.PolicyId, input.PolicyHash)
    tx.put(Parameter, { ...parameter, sharing: (parameter.sharing ?? []).filter((one) => one.id !== id) })
    return {}
  })

/** Whose a parameter is, and what its policies say together. */
export const sharedPolicy = async (
  ctx: Ctx,
  arn: string,
): Promise<{ account: string; document?: PolicyDocument } | undefined> => {
  const address = addressOf(ctx, arn)
  if (!address) return undefined
  const { sharing = [] } = (await ctx.read((tx) => findByArn(ctx, tx, arn))) ?? {}
  const Statement = sharing.flatMap(({ text }) => statementsOf(JSON.parse(text) as PolicyDocument))
  const { account } = address.place
  return Statement.length > 0 ? { account, document: { Version: '2012-10-17', Statement } } : { account }
}
