import { createHash } from 'node:crypto'
import type { Element } from '@xmldom/xmldom'
import { callerContext } from '../../kernel/authorize.ts'
import { childrenOf, textOf } from '../../kernel/hostile-xml.ts'
import { identity } from '../../kernel/identity.ts'
import { federatedPrincipal } from '../../kernel/principal.ts'
import { identityProviders, type SamlProvider } from '../capabilities.ts'
import { fail, type Operation, refused } from './operation.ts'
import { attributeKeys } from './saml-attributes.ts'
import { type Attributes, attributesOf, saml, signedAssertion, wrong } from './saml-response.ts'
import { accountOfRole, packedSize, sessionPolicies, toCredentials } from './session-request.ts'
import { checkedSourceIdentity, checkedTags } from './token-tags.ts'

// IAM user guide, "Configure SAML assertions for the authentication response".

const attribute = (name: string) => `https://aws.amazon.com/SAML/Attributes/${name}`
const tagAttribute = attribute('PrincipalTag:')

/** Assertions must be used at once; clocks may differ as much. Milliseconds. */
const redeemable = 300_000

const expired = (message: string) => fail('ExpiredTokenException', message)

const timeOf = (element: Element, name: string): number | undefined => {
  const value = element.getAttribute(name)
  if (value === null || value === '') return undefined
  const time = Date.parse(value)
  if (Number.isNaN(time)) throw wrong(`The assertion's ${name} is no time.`)
  return time
}

const only = (parent: Element, name: string): Element => {
  const [found, ...more] = childrenOf(parent, saml, name)
  if (!found || more.length > 0) throw wrong(`The assertion must have exactly one ${name}.`)
  return found
}

type Subject = { readonly name: string; readonly type: string; readonly recipient: string }

const subjectOf = (assertion: Element, { uuid }: SamlProvider, now: number): Subject => {
  const subject = only(assertion, 'Subject')
  const nameId = only(subject, 'NameID')
  const confirmation = only(subject, 'SubjectConfirmation')
  if (confirmation.getAttribute('Method') !== 'urn:oasis:names:tc:SAML:2.0:cm:bearer')
    throw wrong('The assertion’s subject is not confirmed as bearer.')
  const data = only(confirmation, 'SubjectConfirmationData')
  const recipient = data.getAttribute('Recipient') ?? ''
  const [, acs] = /^https:\/\/(?:[a-z0-9-]+\.)?signin\.aws\.amazon\.com\/(?:static\/)?saml(?:\/acs\/(\w+))?$/.exec(
    recipient,
  ) ?? [undefined, 'none']
  if (acs !== undefined && acs !== uuid) throw wrong('The assertion’s Recipient is not an AWS sign-in endpoint.')
  const ends = timeOf(data, 'NotOnOrAfter')
  if (ends === undefined) throw wrong('The assertion’s SubjectConfirmationData has no NotOnOrAfter.')
  if (ends <= now) throw expired('Assertion is expired.')
  const begins = timeOf(data, 'NotBefore')
  if (begins !== undefined && begins > now + redeemable) throw wrong('Assertion is not valid yet.')
  const name = textOf(nameId)
  if (name === '') throw wrong('The assertion’s NameID is empty.')
  const format = nameId.getAttribute('Format') ?? ''
  return { name, recipient, type: format.replace(/^urn:oasis:names:tc:SAML:2\.0:nameid-format:/, '') }
}

const checkTimes = (assertion: Element, now: number): void => {
  const issued = timeOf(assertion, 'IssueInstant')
  if (issued === undefined || issued > now + redeemable) throw wrong('The assertion’s IssueInstant is not valid.')
  if (now - issued > redeemable) throw expired('Token must be redeemed within 5 minutes of issuance')
  for (const conditions of childrenOf(assertion, saml, 'Conditions')) {
    const begins = timeOf(conditions, 'NotBefore')
    if (begins !== undefined && begins > now + redeemable) throw wrong('Assertion is not valid yet.')
    const ends = timeOf(conditions, 'NotOnOrAfter')
    if (ends !== undefined && ends <= now) throw expired('Assertion is expired.')
  }
}

const isAudience = (audience: string) =>
  audience === 'urn:amazon:webservices' || /^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml$/.test(audience)

/** Each restriction must be met (SAML 2.0 core, 2.5.1.4), and there must be one. */
const checkAudience = (assertion: Element): void => {
  const restrictions = childrenOf(assertion, saml, 'Conditions').flatMap((conditions) =>
    childrenOf(conditions, saml, 'AudienceRestriction'),
  )
  const met = restrictions.every((restriction) =>
    childrenOf(restriction, saml, 'Audience').map(textOf).some(isAudience),
  )
  if (restrictions.length === 0 || !met) throw wrong('Response does not contain the required audience.')
}

const single = (attributes: Attributes, name: string): string | undefined => {
  const values = attributes.get(attribute(name))
  if (values === undefined) return undefined
  if (values.length !== 1) throw wrong(`${name} in AuthnResponse must have one value`)
  return values[0]
}

const sessionNameOf = (attributes: Attributes): string => {
  const name = single(attributes, 'RoleSessionName')
  if (name === undefined) throw wrong('RoleSessionName is required in AuthnResponse')
  if (!/^[a-zA-Z_0-9+=,.@-]{2,64}$/.test(name))
    throw wrong('RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}')
  return name
}

const lists = (attributes: Attributes, roleArn: string, providerArn: string): boolean => {
  const pairs = attributes.get(attribute('Role'))
  if (!pairs) throw wrong('Role is required in AuthnResponse')
  return pairs.some((pair) => {
    const [one, other, ...more] = pair.split(',').map((arn) => arn.trim())
    if (more.length > 0) return false
    return (one === roleArn && other === providerArn) || (one === providerArn && other === roleArn)
  })
}

/** `SessionDuration` only shortens; it is meant for the console. Seconds. */
const durationOf = (attributes: Attributes, asked: number | undefined): number | undefined => {
  const text = single(attributes, 'SessionDuration')
  if (text === undefined) return asked
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (seconds < 900 || seconds > 43_200) throw wrong('SessionDuration in AuthnResponse must be between 900 and 43200')
  return Math.min(asked ?? 3600, seconds)
}

const sessionEnd = (assertion: Element): number | undefined => {
  const ends = childrenOf(assertion, saml, 'AuthnStatement').flatMap((statement) => {
    const end = timeOf(statement, 'SessionNotOnOrAfter')
    return end === undefined ? [] : [end]
  })
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/**
 * Credentials of a role session for whom a SAML 2.0 provider vouches. Needs no AWS credentials. Errors: InvalidIdentityToken,
 * ExpiredTokenException, IDPRejectedClaim, AccessDenied where the assertion or the role's trust policy does not allow it.
 */
export const AssumeRoleWithSAML: Operation<'AssumeRoleWithSAML'> = async (ctx, input) => {
  const account = accountOfRole(input.RoleArn)
  const asked = sessionPolicies(account, input)
  const provider = await ctx.use(identityProviders).saml(account, input.PrincipalArn)
  if (!provider) throw wrong("Specified provider doesn't exist")
  const now = ctx.now().getTime()
  if (provider.validUntil <= now) throw wrong('The metadata of the specified provider is not valid any more.')

  const assertion = signedAssertion(input.SAMLAssertion, provider)
  const issuer = textOf(only(assertion, 'Issuer'))
  if (issuer !== provider.entityId) throw wrong('Issuer not present in specified provider')
  checkTimes(assertion, now)
  checkAudience(assertion)
  const subject = subjectOf(assertion, provider, now)
  const attributes = attributesOf(assertion)
  const sessionName = sessionNameOf(attributes)
  if (!lists(attributes, input.RoleArn, provider.arn)) throw refused('Not authorized to perform sts:AssumeRoleWithSAML')
  const sourceIdentity = single(attributes, 'SourceIdentity')
  if (sourceIdentity !== undefined) checkedSourceIdentity(sourceIdentity)
  const { tags, transitiveTagKeys } = checkedTags(
    [...attributes].flatMap(([name, values]) =>
      name.startsWith(tagAttribute) ? [[name.slice(tagAttribute.length), values] as const] : [],
    ),
    attributes.get(attribute('TransitiveTagKeys')) ?? [],
  )
  const packed = packedSize(asked, tags)
  const durationSeconds = durationOf(attributes, input.DurationSeconds)
  const endsBy = sessionEnd(assertion)
  if (endsBy !== undefined && endsBy <= now) throw expired('Assertion is expired.')

  const nameQualifier = createHash('sha1').update(`${issuer}${account}/${provider.name}`).digest('base64')
  const sessionContext = {
    'saml:namequalifier': [nameQualifier],
    'saml:sub': [subject.name],
    ...(subject.type === '' ? {} : { 'saml:sub_type': [subject.type] }),
  }
  const caller = federatedPrincipal(account, {
    type: 'SAMLUser',
    provider: provider.arn,
    principalId: `${nameQualifier}:${subject.name}`,
    userName: subject.name,
    identityProvider: nameQualifier,
  })
  ctx.response.caller = caller
  const known = ctx.use(identity)
  const principal = await known.assume({
    roleArn: input.RoleArn,
    sessionName,
    by: caller,
    ...asked,
    tags,
    transitiveTagKeys,
    context: {
      ...(await callerContext(known, ctx)),
      ...attributeKeys(attributes),
      ...sessionContext,
      'saml:aud': [subject.recipient],
      'saml:iss': [issuer],
      'saml:doc': [`${account}/${provider.name}`],
    },
    sessionContext,
    requestId: ctx.request.id,
    ...(durationSeconds === undefined ? {} : { durationSeconds }),
    ...(endsBy === undefined ? {} : { endsBy }),
    ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
  })
  return {
    Credentials: toCredentials(ctx.issue(principal)),
    AssumedRoleUser: { AssumedRoleId: principal.id, Arn: principal.arn },
    Subject: subject.name,
    SubjectType: subject.type,
    Issuer: issuer,
    Audience: subject.recipient,
    NameQualifier: nameQualifier,
    ...packed,
    ...(sourceIdentity === undefined ? {} : { SourceIdentity: sourceIdentity }),
  }
}
