import { createHash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { accountOfKeyId } from '../../kernel/access-key-id.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { AssumeRequest, Bindings, Identity } from '../../kernel/identity.ts'
import { controlsOf, membershipsOf, organizationContext } from '../../kernel/organization.ts'
import { type Principal, rootOf } from '../../kernel/principal.ts'
import { denialMessage, evaluate } from '../../policy/evaluate.ts'
import type { AccessRequest, AppliedPolicy, PolicyDocument, PolicyKind } from '../../policy/policy.ts'
import type { Place, ReadTx } from '../../store/store.ts'
import type { GitCredentials, SshKeys as SshKeyFinder } from '../capabilities.ts'
import { accessNotes } from './access-notes.ts'
import { awsManagedPolicy, isAwsManaged } from './aws-managed.ts'
import { iamArn, nameInArn } from './ids.ts'
import { defaultDocument, findLocal } from './managed.ts'
import { verifyMfa } from './mfa-codes.ts'
import { findRoleByArn } from './names.ts'
import {
  AccessKeys,
  Attachments,
  findById,
  Group,
  type Kind,
  Memberships,
  nameKey,
  type Records,
  Revision,
  Role,
  type RoleRecord,
  ServiceCredentials,
  SshKeys,
  type Tags,
  User,
  type UserRecord,
} from './records.ts'
import { readSshKey } from './ssh-encoding.ts'

/** A policy before its document is read: inline text at hand, or an AWS managed policy's ARN. */
type Source = { readonly kind: PolicyKind; readonly id: string; readonly text?: string }

/** What binds one identity, as of a revision of its account. */
type Bound = {
  readonly revision: string
  readonly policies: readonly AppliedPolicy[]
  readonly tags: Tags
}

/** Sessions outlive the user or role they are of, and can do nothing then, whatever a resource's policy says. */
const gone: AppliedPolicy = {
  kind: 'identity',
  id: 'deleted',
  document: { Version: '2012-10-17', Statement: { Effect: 'Deny', Action: '*', Resource: '*' } },
}

const everything = JSON.stringify({
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: '*', Resource: '*' },
})

const nothing: PolicyDocument = { Version: '2012-10-17', Statement: [] }

const placeOf = (account: string): Place => ({ account, region: 'us-east-1' })

const userPrincipal = (account: string, user: UserRecord, accessKeyId?: string): Principal => ({
  kind: 'user',
  account,
  arn: iamArn(account, 'user', user),
  id: user.id,
  name: user.name,
  ...(accessKeyId === undefined ? {} : { accessKeyId }),
})

/** Whose policies a principal has: the user's, the role's; a federated user's are those of who asked for the session. */
const bearerOf = (principal: Principal): string =>
  principal.kind === 'federated' ? (principal.roleArn ?? '') : principal.id.split(':')[0]!

/** The root user, or a federated user of its. */
const isOfRoot = ({ kind, account, roleArn }: Principal): boolean =>
  kind === 'root' || (kind === 'federated' && roleArn === rootOf(account).arn)

const findBearer = async (
  tx: ReadTx,
  principal: Principal,
): Promise<{ user: UserRecord } | { role: RoleRecord } | undefined> => {
  const bearer = bearerOf(principal)
  if (principal.kind === 'federated') {
    const name = nameInArn(bearer, principal.account, 'user')
    const user = name === undefined ? undefined : await tx.get(User, nameKey(name))
    return user && iamArn(principal.account, 'user', user) === bearer ? { user } : undefined
  }
  const user = principal.kind === 'user' ? await findById(tx, User, bearer) : undefined
  if (user) return { user }
  const role = await findById(tx, Role, bearer)
  return role && { role }
}

/** How exact "last used" is, and so how rarely a request writes. */
const lastUsedStep = 60_000

/**
 * Who is who and may do what, for every request. What binds an identity is remembered until its account's revision
 * changes, which is looked up each time: changes act at once, whoever made them.
 */
export const identityProvider = (contextAt: (place: Place) => Ctx): Identity => {
  const contexts = new LRUCache<string, Ctx>({ max: 100 })
  const at = ({ account, region }: Place): Ctx => {
    const key = `${account} ${region}`
    const found = contexts.get(key) ?? contextAt({ account, region })
    contexts.set(key, found)
    return found
  }
  const known = new LRUCache<string, Bound>({ max: 2000 })
  const documents = new LRUCache<string, PolicyDocument>({ max: 5000 })

  /** The same text is the same object, so that it is compiled once. */
  const documentOf = (text: string): PolicyDocument => {
    const found = documents.get(text)
    if (found) return found
    const document = JSON.parse(text) as PolicyDocument
    documents.set(text, document)
    return document
  }

  const managed = async (tx: ReadTx, account: string, kind: PolicyKind, arn: string): Promise<Source> => {
    if (isAwsManaged(arn)) return { kind, id: arn }
    const policy = await findLocal(tx, account, arn)
    return policy ? { kind, id: arn, text: defaultDocument(policy) } : { kind, id: arn, text: JSON.stringify(nothing) }
  }

  const ownSources = async (tx: ReadTx, account: string, type: Kind, entity: Records[Kind]): Promise<Source[]> => {
    const inline = Object.entries(entity.inline).map(([name, text]) => ({
      kind: 'identity' as const,
      id: `inline:${type}/${entity.name}/${name}`,
      text,
    }))
    const attached = await tx.list(Attachments, { index: 'entity', equals: entity.id })
    return [...inline, ...(await Promise.all(attached.map(({ policy }) => managed(tx, account, 'identity', policy))))]
  }

  const sourcesOf = async (
    tx: ReadTx,
    account: string,
    find: (tx: ReadTx) => Promise<{ user: UserRecord } | { role: RoleRecord } | undefined>,
    sessionArns: readonly string[],
  ): Promise<{ sources: Source[]; tags: Tags } | undefined> => {
    const found = await find(tx)
    const user = found && 'user' in found ? found.user : undefined
    const entity = found && ('user' in found ? found.user : found.role)
    if (!entity) return undefined
    const sources = await ownSources(tx, account, user ? 'user' : 'role', entity)
    if (user)
      for (const { group: groupId } of await tx.list(Memberships, { index: 'user', equals: user.id })) {
        const group = await findById(tx, Group, groupId)
        if (group) sources.push(...(await ownSources(tx, account, 'group', group)))
      }
    if (entity.boundary !== undefined) sources.push(await managed(tx, account, 'boundary', entity.boundary))
    for (const arn of sessionArns) sources.push(await managed(tx, account, 'session', arn))
    return { sources, tags: entity.tags }
  }

  const apply = async ({ kind, id, text }: Source): Promise<AppliedPolicy> => {
    const found = text ?? (await awsManagedPolicy(id))?.document
    return { kind, id, document: found === undefined ? nothing : documentOf(found) }
  }

  /** Nothing binds the root user but what its session began with: a task's policy, or a federated user's own. */
  const rootSources = (tx: ReadTx, { account, kind, session }: Principal): Promise<Source[]> =>
    Promise.all([
      ...(kind === 'root' ? [] : [{ kind: 'identity' as const, id: 'root', text: everything }]),
      ...(session?.policyArns ?? []).map((arn) => managed(tx, account, kind === 'root' ? 'identity' : 'session', arn)),
    ])

  const boundOf = async (principal: Principal): Promise<Bound | undefined> => {
    if (principal.kind === 'service' || principal.kind === 'anonymous') return undefined
    if (principal.kind === 'root' && !principal.session?.policyArns.length) return undefined
    const { account } = principal
    const sessionArns = principal.session?.policyArns ?? []
    const key = [account, bearerOf(principal), ...sessionArns].join(' ')
    const found = await at(placeOf(account)).read(async (tx) => {
      const revision = (await tx.get(Revision, 'revision'))?.revision ?? ''
      const remembered = known.get(key)
      if (remembered?.revision === revision) return { remembered }
      const read = isOfRoot(principal)
        ? { sources: await rootSources(tx, principal), tags: {} }
        : await sourcesOf(tx, account, (within) => findBearer(within, principal), sessionArns)
      return { revision, read }
    })
    if ('remembered' in found) return found.remembered
    const policies = found.read ? await Promise.all(found.read.sources.map(apply)) : [gone]
    const bound: Bound = { revision: found.revision, policies, tags: found.read?.tags ?? {} }
    known.set(key, bound)
    return bound
  }

  const bindingsOf = async (principal: Principal): Promise<Bindings> => {
    const found = await boundOf(principal)
    const tags = found?.tags ?? {}
    return {
      policies: narrowed(principal, found?.policies ?? []),
      tags: principal.session ? { ...tags, ...principal.session.tags } : tags,
    }
  }
  const policiesOf = async (principal: Principal): Promise<readonly AppliedPolicy[]> =>
    (await bindingsOf(principal)).policies
  const tagsOf = async (principal: Principal): Promise<Tags> => (await bindingsOf(principal)).tags

  const narrowed = (principal: Principal, bound: readonly AppliedPolicy[]): readonly AppliedPolicy[] => {
    const texts = principal.session?.policies ?? []
    // A federated session without session policies can do only what resources' policies grant it.
    if (principal.kind === 'federated' && texts.length === 0 && !principal.session?.policyArns.length)
      return [...bound, { kind: 'session', id: 'session', document: nothing }]
    if (texts.length === 0) return bound
    return [...bound, ...texts.map((text) => ({ kind: 'session' as const, id: 'session', document: documentOf(text) }))]
  }

  const owners = new LRUCache<string, { readonly revision: string; readonly user: UserRecord }>({ max: 2000 })
  const secrets = new LRUCache<string, string>({ max: 2000 })
  const accessKey: Identity['accessKey'] = async (accessKeyId) => {
    const ctx = at(placeOf(''))
    const found = await ctx.read(async (tx) => {
      const key = await tx.get(AccessKeys, accessKeyId)
      if (!key?.active) return undefined
      const home = placeOf(key.account)
      const revision = (await tx.get(Revision, 'revision', home))?.revision ?? ''
      const owner = owners.get(key.user)
      if (owner?.revision === revision) return { key, user: owner.user }
      const user = await findById(tx, User, key.user, home)
      if (user) owners.set(key.user, { revision, user })
      return user && { key, user }
    })
    if (!found) return undefined
    const { key, user } = found
    const secret = secrets.get(key.secret) ?? ctx.unseal(key.secret)
    secrets.set(key.secret, secret)
    return { secret, principal: userPrincipal(key.account, user, key.id) }
  }

  const marked = new LRUCache<string, number>({ max: 5000 })
  const markUsed: Identity['markUsed'] = async (accessKeyId, where) => {
    const ctx = at(placeOf(''))
    const now = ctx.now().getTime()
    const last = marked.get(accessKeyId)
    if (last !== undefined && now - last < lastUsedStep) return
    marked.set(accessKeyId, now)
    await ctx.write(async (tx) => {
      const key = await tx.get(AccessKeys, accessKeyId)
      if (key) tx.put(AccessKeys, { ...key, lastUsed: { at: now, ...where } })
    })
  }

  return {
    accessKey,
    markUsed,
    used: (principal, attempt) => at(placeOf('')).use(accessNotes).note(principal, attempt),
    policiesOf,
    tagsOf,
    bindingsOf,
    assume: (request) => assume(at, policiesOf, tagsOf, request),
    verifyMfa: (principal, serialNumber, tokenCode) => verifyMfa(at, principal, serialNumber, tokenCode),
  }
}

const lowered = (context: AssumeRequest['context']) =>
  Object.fromEntries(Object.entries(context ?? {}).map(([key, values]) => [key.toLowerCase(), values]))

/** Condition keys of the call: what it asks for, the role's tags, and what the caller of `assume` knows. */
const assumeContext = (
  request: AssumeRequest,
  role: RoleRecord,
  now: Date,
  facts: { account: string; tags: Tags; sourceIdentity: string | undefined },
): Record<string, readonly string[]> => {
  const { by } = request
  const tagKeys = Object.keys(request.tags ?? {})
  return {
    'aws:currenttime': [now.toISOString()],
    'aws:epochtime': [String(Math.floor(now.getTime() / 1000))],
    'aws:principalisawsservice': [String(by.kind === 'service')],
    ...(by.federation
      ? {}
      : by.kind === 'service'
        ? // A service acts for a resource of the role's account (PassRole works within one account) unless it says otherwise.
          { 'aws:principalservicename': [by.arn], 'aws:sourceaccount': [facts.account] }
        : { 'aws:principalarn': [by.roleArn ?? by.arn], 'aws:principalaccount': [by.account], 'aws:userid': [by.id] }),
    ...Object.fromEntries(
      Object.entries(facts.tags).map(([key, value]) => [`aws:principaltag/${key.toLowerCase()}`, [value]]),
    ),
    ...lowered(request.context),
    ...Object.fromEntries(
      Object.entries(role.tags).flatMap(([key, value]) => [
        [`aws:resourcetag/${key.toLowerCase()}`, [value]],
        [`iam:resourcetag/${key.toLowerCase()}`, [value]],
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(request.tags ?? {}).map(([key, value]) => [`aws:requesttag/${key.toLowerCase()}`, [value]]),
    ),
    ...(tagKeys.length > 0 ? { 'aws:tagkeys': tagKeys } : {}),
    ...(request.transitiveTagKeys?.length ? { 'sts:transitivetagkeys': request.transitiveTagKeys } : {}),
    ...(request.externalId === undefined ? {} : { 'sts:externalid': [request.externalId] }),
    ...(facts.sourceIdentity === undefined ? {} : { 'sts:sourceidentity': [facts.sourceIdentity] }),
    'sts:rolesessionname': [request.sessionName],
    'aws:resourceaccount': [facts.account],
  }
}

const refused = (message: string) => new AwsError('AccessDenied', message, { status: 403 })
const invalid = (message: string) => new AwsError('ValidationError', message, { status: 400 })

const assumeAction = ({ federation }: Principal): string => {
  if (!federation) return 'sts:AssumeRole'
  return federation.type === 'SAMLUser' ? 'sts:AssumeRoleWithSAML' : 'sts:AssumeRoleWithWebIdentity'
}

/**
 * `sts:AssumeRole`, `sts:AssumeRoleWithWebIdentity` or `sts:AssumeRoleWithSAML`, and what they imply: the trust policy must
 * allow, and the caller's own where it must. Whom an identity provider vouches for has no policies of his own, and
 * service control policies do not bind him.
 */
const assume = async (
  at: (place: Place) => Ctx,
  policiesOf: Identity['policiesOf'],
  tagsOf: Identity['tagsOf'],
  request: AssumeRequest,
): Promise<Principal> => {
  const { by, roleArn } = request
  const account = roleArn.split(':')[4] ?? ''
  const ctx = at(placeOf(account))
  const action = assumeAction(by)
  const unexplained = (denied: string) =>
    by.federation
      ? refused(`Not authorized to perform ${denied}`)
      : refused(`User: ${by.arn} is not authorized to perform: ${denied} on resource: ${roleArn}`)
  if (by.kind === 'root') throw refused('Roles may not be assumed by root accounts.')
  const role = await ctx.read((tx) => findRoleByArn(tx, account, roleArn))
  if (!role) throw unexplained(action)

  const inherited = by.session
  const transitive = Object.entries(inherited?.tags ?? {}).filter(([key]) => inherited?.transitiveTagKeys.includes(key))
  for (const [key] of transitive)
    if (Object.keys(request.tags ?? {}).some((asked) => asked.toLowerCase() === key.toLowerCase()))
      throw new AwsError(
        'InvalidParameterValue',
        `One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.`,
        { status: 400 },
      )
  if (
    inherited?.sourceIdentity !== undefined &&
    (request.sourceIdentity ?? inherited.sourceIdentity) !== inherited.sourceIdentity
  )
    throw unexplained('sts:SetSourceIdentity')
  const sourceIdentity = request.sourceIdentity ?? inherited?.sourceIdentity

  const document = JSON.parse(role.trust) as PolicyDocument
  const tags = by.kind === 'service' || by.federation ? {} : await tagsOf(by)
  const found = await membershipsOf(ctx, by, account, by.kind === 'service' ? account : undefined)
  const memberships = by.federation ? { ...found, caller: undefined } : found
  if (found.caller?.closed || found.resource?.closed) throw unexplained(action)
  const access: Omit<AccessRequest, 'action'> = {
    principal: by,
    resource: roleArn,
    resourceAccount: account,
    needsResourcePolicy: true,
    context: {
      ...assumeContext(request, role, ctx.now(), { account, tags, sourceIdentity }),
      ...organizationContext(memberships),
    },
    policies: [
      ...(by.federation ? [] : await policiesOf(by)),
      ...(await controlsOf(by, action, memberships)),
      { kind: 'resource', id: roleArn, document },
    ],
  }
  const actions = [
    action,
    ...(Object.keys(request.tags ?? {}).length > 0 || transitive.length > 0 ? ['sts:TagSession'] : []),
    ...(sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity']),
  ]
  for (const needed of actions) {
    const decision = evaluate({ ...access, action: needed })
    if (decision.decision === 'allowed') continue
    ctx.denied({ ...access, action: needed }, decision, request.requestId)
    // AWS does not say why to strangers, nor when it is the trust policy that lacks an Allow.
    if (by.federation || (decision.decision === 'implicitDeny' && decision.decidedBy === 'resource'))
      throw unexplained(needed)
    throw refused(denialMessage({ ...access, action: needed }, decision))
  }

  const duration = request.durationSeconds ?? 3600
  if (by.kind !== 'service' || request.bounded) {
    if (by.kind === 'role' && duration > 3600)
      throw invalid(
        'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
      )
    if (duration > role.maxSessionDuration)
      throw invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.')
  }
  const issued = ctx.now().getTime()
  return {
    kind: 'role',
    account,
    arn: `arn:aws:sts::${account}:assumed-role/${role.name}/${request.sessionName}`,
    roleArn,
    id: `${role.id}:${request.sessionName}`,
    name: role.name,
    sessionName: request.sessionName,
    session: {
      issued,
      expires: Math.min(issued + duration * 1000, request.endsBy ?? Number.POSITIVE_INFINITY),
      policies: request.policies ?? [],
      policyArns: request.policyArns ?? [],
      tags: { ...Object.fromEntries(transitive), ...request.tags },
      transitiveTagKeys: [...new Set([...transitive.map(([key]) => key), ...(request.transitiveTagKeys ?? [])])],
      ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
      mfa: false,
      ...(by.kind === 'service' ? { invokedBy: by.arn } : {}),
      ...(request.sessionContext ? { context: lowered(request.sessionContext) } : {}),
      ...(by.federation ? { federation: by.federation } : {}),
    },
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest()

/** Git credentials, compared in constant time; an unknown user name takes as long as a wrong password. */
export const gitCredentialsProvider = (at: (place: Place) => Ctx): GitCredentials => ({
  verify: async (userName, password) => {
    const ctx = at(placeOf(''))
    const found = await ctx.read(async (tx) => {
      // Credentials of other services may have the same name.
      const named = await tx.list(ServiceCredentials, { index: 'userName', equals: userName })
      const record = named.find(({ service }) => service === 'codecommit.amazonaws.com')
      const user = record && (await findById(tx, User, record.user, placeOf(record.account)))
      return record && user ? { record, user } : undefined
    })
    const right = timingSafeEqual(digest(found ? ctx.unseal(found.record.password) : ctx.seal('')), digest(password))
    if (!right || !found?.record.active) return undefined
    return userPrincipal(found.record.account, found.user)
  },
})

export const sshKeysProvider = (at: (place: Place) => Ctx): SshKeyFinder => ({
  find: async (keyId) => {
    const account = accountOfKeyId(keyId)
    if (account === undefined) return undefined
    const found = await at(placeOf(account)).read(async (tx) => {
      const key = await tx.get(SshKeys, keyId)
      const user = key?.active ? await findById(tx, User, key.user) : undefined
      return key && user ? { key, user } : undefined
    })
    if (!found) return undefined
    return { principal: userPrincipal(account, found.user), publicKey: readSshKey(found.key.body).bytes }
  },
})
