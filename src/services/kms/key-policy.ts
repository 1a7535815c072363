import { LRUCache } from 'lru-cache'
import { callerContext } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import { evaluate } from '../../policy/evaluate.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { principals } from '../capabilities.ts'
import { getCustomerKey, getOwnKey, Key, type KeyRecord, keyArn } from './key.ts'
import { fail, type Operation } from './operation.ts'

/** "Default key policy", KMS developer guide: the account's own policies decide. */
export const defaultPolicy = (account: string): string =>
  JSON.stringify(
    {
      Version: '2012-10-17',
      Id: 'key-default-1',
      Statement: [
        {
          Sid: 'Enable IAM User Permissions',
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${account}:root` },
          Action: 'kms:*',
          Resource: '*',
        },
      ],
    },
    null,
    2,
  )

const read = (text: string): PolicyDocument => {
  try {
    return parsePolicy(text, 'resource')
  } catch (error) {
    if (error instanceof PolicyFinding) throw fail('MalformedPolicyDocumentException', error.message)
    throw error
  }
}

/** Reads a key policy as KMS does when it is put: who is named must be there. Raises MalformedPolicyDocumentException. */
export const parseKeyPolicy = async (ctx: Ctx, text: string): Promise<PolicyDocument> => {
  const document = read(text)
  for (const { Principal, NotPrincipal } of [document.Statement].flat())
    for (const element of [Principal, NotPrincipal])
      for (const name of typeof element === 'object' ? [element.AWS ?? []].flat() : [])
        if (!(await ctx.use(principals).exists(ctx.place, name)))
          throw fail(
            'MalformedPolicyDocumentException',
            'Policy contains a statement with one or more invalid principals.',
          )
  return document
}

/**
 * Nobody may lock himself out: the caller must be allowed to put the next policy ("Changing a key policy", KMS developer
 * guide). Raises MalformedPolicyDocumentException.
 */
export const checkLockout = async (
  ctx: Ctx,
  key: Pick<KeyRecord, 'account' | 'region' | 'id'>,
  document: PolicyDocument,
): Promise<void> => {
  const known = ctx.use(identity)
  const { decision } = evaluate({
    principal: ctx.principal,
    action: 'kms:PutKeyPolicy',
    resource: keyArn(key),
    resourceAccount: key.account,
    needsResourcePolicy: true,
    context: { ...(await callerContext(known, ctx)), 'kms:calleraccount': [ctx.principal.account] },
    policies: [...(await known.policiesOf(ctx.principal)), { kind: 'resource', id: keyArn(key), document }],
  })
  if (decision !== 'allowed')
    throw fail(
      'MalformedPolicyDocumentException',
      'The new key policy will not allow you to update the key policy in the future.',
    )
}

/** The policies of keys, each text parsed once. */
export const policyDocuments = () => {
  const known = new LRUCache<string, PolicyDocument>({ max: 1000 })
  return (text: string): PolicyDocument => {
    const found = known.get(text) ?? (JSON.parse(text) as PolicyDocument)
    known.set(text, found)
    return found
  }
}

const onlyDefault = (name: string | undefined): void => {
  if (name !== undefined && name !== 'default') throw fail('NotFoundException', `No such policy exists: ${name}`)
}

export const GetKeyPolicy: Operation<'GetKeyPolicy'> = async (ctx, { KeyId, PolicyName }) => {
  const key = await ctx.read((tx) => getOwnKey(tx, ctx.place, KeyId))
  onlyDefault(PolicyName)
  return { Policy: key.policy, PolicyName: 'default' }
}

export const PutKeyPolicy: Operation<'PutKeyPolicy'> = async (ctx, input) => {
  onlyDefault(input.PolicyName)
  const document = await parseKeyPolicy(ctx, input.Policy)
  const found = await ctx.read((tx) => getCustomerKey(tx, ctx.place, input.KeyId))
  if (!input.BypassPolicyLockoutSafetyCheck) await checkLockout(ctx, found, document)
  await ctx.write(async (tx) =>
    tx.put(Key, { ...(await getCustomerKey(tx, ctx.place, input.KeyId)), policy: input.Policy }),
  )
  return {}
}

/** A key has one policy, named `default`. */
export const ListKeyPolicies: Operation<'ListKeyPolicies'> = async (ctx, { KeyId }) => {
  await ctx.read((tx) => getOwnKey(tx, ctx.place, KeyId))
  return { PolicyNames: ['default'], Truncated: false }
}
