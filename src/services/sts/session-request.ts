import { deflateRawSync } from 'node:zlib'
import type { Credentials } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import { fail, invalid } from './operation.ts'

// What the operations that begin a session have in common: its policies, its tags, its credentials.

export const toCredentials = ({ accessKeyId, secretAccessKey, sessionToken, expiration }: Credentials) => ({
  AccessKeyId: accessKeyId,
  SecretAccessKey: secretAccessKey,
  SessionToken: sessionToken,
  Expiration: expiration,
})

export const invalidParameter = (message: string) => new AwsError('InvalidParameterValue', message, { status: 400 })

/** Characters of session policies and their ARNs together, and bytes of what AWS calls their packed form. */
const mostCharacters = 2048
const packedSpace = 2048
const mostPolicyArns = 10

type Asked = {
  readonly Policy?: string | undefined
  readonly PolicyArns?: readonly { readonly arn?: string | undefined }[] | undefined
}

export type SessionPolicies = { readonly policies: readonly string[]; readonly policyArns: readonly string[] }

/**
 * The session policies that a call passes; they only narrow. `account` is that of the role or user whose session it is.
 * Throws MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError.
 */
export const sessionPolicies = (account: string, { Policy, PolicyArns }: Asked): SessionPolicies => {
  const policies = Policy === undefined ? [] : [Policy]
  const policyArns = (PolicyArns ?? []).flatMap(({ arn }) => (arn === undefined ? [] : [arn]))
  if (policyArns.length > mostPolicyArns)
    throw invalid(
      `1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to ${mostPolicyArns}`,
    )
  const characters = [...policies, ...policyArns].reduce((sum, text) => sum + text.length, 0)
  if (characters > mostCharacters) throw tooLarge('policy', Math.ceil((characters / mostCharacters) * 100))
  for (const text of policies) checkPolicy(text)
  for (const arn of policyArns) {
    if (!/^arn:aws:iam::(aws|\d{12}):policy\/./.test(arn)) throw invalid(`ARN ${arn} is not valid.`)
    const owner = arn.split(':')[4]
    if (owner !== 'aws' && owner !== account) throw invalid(`Policy ${arn} is not in the account of the role or user.`)
  }
  return { policies, policyArns }
}

const checkPolicy = (text: string): void => {
  try {
    parsePolicy(text, 'session')
  } catch (thrown) {
    if (thrown instanceof PolicyFinding) throw fail('MalformedPolicyDocumentException', thrown.message)
    throw thrown
  }
}

const tooLarge = (what: 'policy' | 'tags', percent: number) =>
  fail(
    'PackedPolicyTooLargeException',
    what === 'tags'
      ? `Packed size of session tags consumes ${percent}% of allotted space.`
      : `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`,
  )

/**
 * How much of the space for session policies and tags is used, in percent. AWS's packing is not published: ours is deflate.
 * Throws PackedPolicyTooLarge.
 */
export const packedSize = (
  { policies, policyArns }: SessionPolicies,
  tags: Readonly<Record<string, string>>,
): { PackedPolicySize?: number } => {
  const texts = [...policies, ...policyArns, ...Object.entries(tags).flat()]
  if (texts.length === 0) return {}
  const percent = Math.max(1, Math.ceil((deflateRawSync(texts.join('\n')).length / packedSpace) * 100))
  if (percent > 100) throw tooLarge(policies.length + policyArns.length === 0 ? 'tags' : 'policy', percent)
  return { PackedPolicySize: percent }
}

/** Throws InvalidParameterValue for keys that differ by case alone. */
export const sessionTags = (
  tags: readonly { readonly Key: string; readonly Value: string }[] | undefined,
): Record<string, string> => {
  const keys = new Set(tags?.map(({ Key }) => Key.toLowerCase()))
  if (keys.size < (tags?.length ?? 0))
    throw invalidParameter('Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key, Value]))
}

/** Throws InvalidParameterValue for a transitive key that is no key of these tags. */
export const checkTransitive = (keys: readonly string[], tags: Readonly<Record<string, string>>): void => {
  for (const key of keys)
    if (!Object.hasOwn(tags, key))
      throw invalidParameter(`The transitive tag key ${key} must be one of the requested session tags.`)
}

/** The account of a role's ARN. Throws ValidationError. */
export const accountOfRole = (roleArn: string): string => {
  const account = /^arn:[\w-]+:iam::(\d{12}):role\/./.exec(roleArn)?.[1]
  if (account === undefined) throw invalid(`${roleArn} is invalid`)
  return account
}
