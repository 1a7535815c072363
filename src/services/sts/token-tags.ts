import type { JWTPayload } from 'jose'
import { fail } from './operation.ts'

// IAM user guide, "Passing session tags using AssumeRoleWithWebIdentity", and the limits of the page it stands on.

const namespace = 'https://aws.amazon.com/'
const flat = `${namespace}tags/principal_tags/`
const mostTags = 50
const letters = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

type SessionClaims = {
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity?: string
}

const wrong = (message: string) => fail('InvalidIdentityTokenException', message)

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Session tags as an identity provider gives them, held to STS's limits. Throws InvalidIdentityToken. */
export const checkedTags = (
  given: readonly (readonly [key: string, value: unknown])[],
  transitiveTagKeys: readonly unknown[],
): Pick<SessionClaims, 'tags' | 'transitiveTagKeys'> => {
  const tags = given.map(([key, value]): [string, string] => {
    const [only, ...more] = [value].flat()
    if (typeof only !== 'string' || more.length > 0) throw wrong(`The session tag ${key} must have one value.`)
    return [key, only]
  })
  if (tags.length > mostTags) throw wrong(`A session can have at most ${mostTags} session tags.`)
  for (const [key, value] of tags) {
    if (key.length < 1 || key.length > 128 || !letters.test(key) || /^aws:/i.test(key))
      throw wrong('A session tag has a key that is not valid.')
    if (value.length > 256 || !letters.test(value)) throw wrong(`The session tag ${key} has a value that is not valid.`)
  }
  const keys = new Set(tags.map(([key]) => key.toLowerCase()))
  if (keys.size < tags.length) throw wrong('Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  const transitive = transitiveTagKeys.map((key) => {
    const tag = tags.find(([name]) => name === key)
    if (!tag) throw wrong('A transitive tag key must be one of the session tags.')
    return tag[0]
  })
  return { tags: Object.fromEntries(tags), transitiveTagKeys: transitive }
}

/** Throws InvalidIdentityToken. */
export const checkedSourceIdentity = (value: unknown): string => {
  if (typeof value !== 'string' || !/^[a-zA-Z_0-9+=,.@-]{2,64}$/.test(value) || value.startsWith('aws:'))
    throw wrong('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"')
  return value
}

/** Session tags and source identity of a verified token, nested or flattened. Throws InvalidIdentityToken. */
export const sessionClaims = (payload: JWTPayload): SessionClaims => {
  const nested = payload[`${namespace}tags`] ?? {}
  if (!isRecord(nested) || !isRecord(nested.principal_tags ?? {})) throw wrong('The session tags are not valid.')
  const given = [
    ...Object.entries(isRecord(nested.principal_tags) ? nested.principal_tags : {}),
    ...Object.entries(payload).flatMap(([name, value]) =>
      name.startsWith(flat) ? [[name.slice(flat.length), value] as const] : [],
    ),
  ]
  const transitive = [nested.transitive_tag_keys ?? payload[`${namespace}tags/transitive_tag_keys`] ?? []].flat()
  const source = payload[`${namespace}source_identity`]
  return {
    ...checkedTags(given, transitive),
    ...(source === undefined ? {} : { sourceIdentity: checkedSourceIdentity(source) }),
  }
}
