import { LRUCache } from 'lru-cache'
import { callerContext } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import { evaluate } from '../../policy/evaluate.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import { principals } from '../capabilities.ts'
import { fail, type Operation } from './operation.ts'
import { getLiving, getPrimary, getSecret, placeOf, Secret, secretArn } from './secret.ts'

const LARGEST = 20_480

/** Reads a policy as it is put. Raises MalformedPolicyDocumentException. */
const parse = (text: string): PolicyDocument => {
  if (text.length > LARGEST)
    throw fail('MalformedPolicyDocumentException', `The resource policy can't be more than ${LARGEST} characters.`)
  try {
    return parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding)
      throw fail('MalformedPolicyDocumentException', `This resource policy contains a syntax error: ${error.message}`)
    throw error
  }
}

/** Condition keys that narrow who may call; others leave a policy public. */
const narrowing =
  /^(aws:(SourceArn|SourceAccount|PrincipalOrgID|PrincipalOrgPaths|PrincipalAccount|PrincipalArn|SourceVpc|SourceVpce|SourceIp|userid)|secretsmanager:)/i

const isPublic = ({ Effect, Principal, NotPrincipal, Condition }: Statement): boolean => {
  if (Effect !== 'Allow') return false
  const everyone =
    NotPrincipal !== undefined ||
    Principal === '*' ||
    (typeof Principal === 'object' && Object.values(Principal).flat().includes('*'))
  return (
    everyone && !Object.values(Condition ?? {}).some((keys) => Object.keys(keys).some((key) => narrowing.test(key)))
  )
}

const publicStatement = ({ Statement: statements }: PolicyDocument): boolean => [statements].flat().some(isPublic)

/** The document in force, each text parsed once. */
export const policyDocuments = () => {
  const known = new LRUCache<string, PolicyDocument>({ max: 500 })
  return (text: string): PolicyDocument => {
    const found = known.get(text) ?? (JSON.parse(text) as PolicyDocument)
    known.set(text, found)
    return found
  }
}

/** Users and roles that a policy names must be there. Raises MalformedPolicyDocumentException. */
const checkPrincipals = async (ctx: Ctx, { Statement: statements }: PolicyDocument): Promise<void> => {
  for (const { Principal, NotPrincipal } of [statements].flat())
    for (const element of [Principal, NotPrincipal])
      for (const name of typeof element === 'object' ? [element.AWS ?? []].flat() : [])
        if (!(await ctx.use(principals).exists(ctx.place, name)))
          throw fail('MalformedPolicyDocumentException', 'This resource policy contains an unsupported principal.')
}

export const PutResourcePolicy: Operation<'PutResourcePolicy'> = async (ctx, input) => {
  const document = parse(input.ResourcePolicy)
  await checkPrincipals(ctx, document)
  if (input.BlockPublicPolicy && publicStatement(document))
    throw fail('PublicPolicyException', 'The resource policy grants public access, and BlockPublicPolicy is set.')
  const secret = await ctx.write(async (tx) => {
    const found = await getLiving(tx, ctx.place, input.SecretId)
    return tx.put(Secret, { ...found, policy: input.ResourcePolicy }, placeOf(found))
  })
  return { ARN: secretArn(secret), Name: secret.name }
}

export const GetResourcePolicy: Operation<'GetResourcePolicy'> = async (ctx, { SecretId }) => {
  const secret = await ctx.read((tx) => getLiving(tx, ctx.place, SecretId))
  return {
    ARN: secretArn(secret),
    Name: secret.name,
    ...(secret.policy === undefined ? {} : { ResourcePolicy: secret.policy }),
  }
}

export const DeleteResourcePolicy: Operation<'DeleteResourcePolicy'> = async (ctx, { SecretId }) => {
  const secret = await ctx.write(async (tx) => {
    const { policy: _, ...found } = await getPrimary(tx, ctx.place, SecretId)
    return tx.put(Secret, found, placeOf(found))
  })
  return { ARN: secretArn(secret), Name: secret.name }
}

/** Whether under this policy the caller could not put another one. */
const locksOut = async (ctx: Ctx, resource: string, document: PolicyDocument): Promise<boolean> => {
  const known = ctx.use(identity)
  const { decision, decidedBy } = evaluate({
    principal: ctx.principal,
    action: 'secretsmanager:PutResourcePolicy',
    resource,
    resourceAccount: ctx.account,
    context: await callerContext(known, ctx),
    policies: [...(await known.policiesOf(ctx.principal)), { kind: 'resource', id: resource, document }],
  })
  return decision === 'explicitDeny' && decidedBy === 'resource'
}

/**
 * Whether a policy is one, gives nobody everything, and leaves the caller his access. Raises MalformedPolicyDocumentException.
 * The names of the checks are ours.
 */
export const ValidateResourcePolicy: Operation<'ValidateResourcePolicy'> = async (ctx, input) => {
  const document = parse(input.ResourcePolicy)
  const { SecretId } = input
  const resource =
    SecretId === undefined
      ? ctx.arn('secret:any')
      : secretArn(await ctx.read((tx) => getSecret(tx, ctx.place, SecretId)))
  const errors = [
    ...(publicStatement(document)
      ? [{ CheckName: 'PUBLIC_POLICY', ErrorMessage: 'The resource policy grants public access.' }]
      : []),
    ...((await locksOut(ctx, resource, document))
      ? [{ CheckName: 'LOCKOUT', ErrorMessage: 'The resource policy does not let you put another resource policy.' }]
      : []),
  ]
  return { PolicyValidationPassed: errors.length === 0, ValidationErrors: errors }
}
