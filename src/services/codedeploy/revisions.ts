import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { getApplication } from './applications.ts'
import { Group } from './deployment-groups.ts'
import { checkDescription, fail, type Operation } from './operation.ts'
import { checkBatch, missingOf, page } from './page.ts'

/** A bundle in S3. */
type S3Revision = {
  readonly bucket: string
  readonly key: string
  readonly bundleType: 'zip' | 'tar' | 'tgz'
  readonly version?: string
  readonly eTag?: string
}

/** A commit of a public repository on GitHub; `owner/name`. */
type GitHubRevision = { readonly repository: string; readonly commitId: string }
/** What a deployment deploys. */
export type Revision = S3Revision | GitHubRevision
/** Whether a revision is a commit on GitHub, and not a bundle in S3. */
export const isGitHub = (revision: Revision): revision is GitHubRevision => 'repository' in revision

type Registered = {
  readonly application: string
  readonly revision: Revision
  readonly description?: string
  readonly registered: number
  readonly firstUsed?: number
  readonly lastUsed?: number
}
const nameOf = (revision: Revision): string => {
  // No bucket has an empty name.
  if (isGitHub(revision)) return ['', 'GitHub', revision.repository, revision.commitId].join('\0')
  const { bucket, key, bundleType, version = '', eTag = '' } = revision
  return [bucket, key, bundleType, version, eTag].join('\0')
}
export const sameRevision = (a: Revision, b: Revision): boolean => nameOf(a) === nameOf(b)
export const Registered = table<Registered>('codedeploy.revision', {
  scope: 'region',
  key: ({ application, revision }) => `${application}\0${nameOf(revision)}`,
})

/** All revisions of an application. */
export const revisionsOf = (tx: ReadTx, application: string): Promise<Registered[]> =>
  tx.list(Registered, { prefix: `${application}\0` })
/** Takes a revision out of its application. */
export const forgetRevision = (tx: WriteTx, { application, revision }: Registered): void =>
  tx.delete(Registered, `${application}\0${nameOf(revision)}`)
/** A revision that is registered with the application, if it (still) is. */
export const findRevision = (tx: ReadTx, application: string, revision: Revision): Promise<Registered | undefined> =>
  tx.get(Registered, `${application}\0${nameOf(revision)}`)

type WireRevision = {
  readonly revisionType?: string | undefined
  readonly s3Location?:
    | {
        readonly bucket?: string | undefined
        readonly key?: string | undefined
        readonly bundleType?: string | undefined
        readonly version?: string | undefined
        readonly eTag?: string | undefined
      }
    | undefined
  readonly gitHubLocation?:
    | { readonly repository?: string | undefined; readonly commitId?: string | undefined }
    | undefined
}

/** Reads a revision location. Throws RevisionRequiredException, InvalidRevisionException. */
export const readRevision = (wire: WireRevision | undefined): Revision => {
  if (!wire) throw fail('RevisionRequiredException', 'A revision location must be specified.')
  const { revisionType = 'S3', s3Location } = wire
  if (revisionType === 'GitHub') return readGitHub(wire.gitHubLocation)
  if (revisionType !== 'S3')
    throw fail(
      'InvalidRevisionException',
      `The compute platform Server takes revisions from S3 and GitHub, not of the type ${revisionType}.`,
    )
  const { bucket, key, bundleType, version, eTag } = s3Location ?? {}
  if (!bucket || !key)
    throw fail('InvalidRevisionException', 'The Amazon S3 location of the revision needs a bucket and a key.')
  if (bundleType !== 'zip' && bundleType !== 'tar' && bundleType !== 'tgz')
    throw fail(
      'InvalidRevisionException',
      `The bundle type of the revision must be zip, tar or tgz, not ${bundleType ?? '(none)'}.`,
    )
  return {
    bucket,
    key,
    bundleType,
    ...(version ? { version } : {}),
    ...(eTag ? { eTag: eTag.replaceAll('"', '') } : {}),
  }
}

const readGitHub = ({ repository = '', commitId = '' }: NonNullable<WireRevision['gitHubLocation']> = {}): Revision => {
  if (!/^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(repository) || /(^|\/)\.{1,2}(\/|$)/.test(repository))
    throw fail('InvalidRevisionException', `The GitHub repository must be named account/repository, not ${repository}.`)
  if (!/^[0-9a-f]{40}$/i.test(commitId))
    throw fail('InvalidRevisionException', `The commit of a GitHub revision must be a SHA-1 id, not ${commitId}.`)
  return { repository, commitId: commitId.toLowerCase() }
}

export const toRevision = (revision: Revision) =>
  isGitHub(revision)
    ? { revisionType: 'GitHub' as const, gitHubLocation: { ...revision } }
    : { revisionType: 'S3' as const, s3Location: { ...revision } }

/** Notes that a revision was used by a deployment, registering it if it is new. */
export const noteUse = async (ctx: Ctx, tx: WriteTx, application: string, revision: Revision): Promise<void> => {
  const now = ctx.now().getTime()
  const before = await findRevision(tx, application, revision)
  tx.put(Registered, {
    application,
    revision,
    ...(before?.description ? { description: before.description } : {}),
    registered: before?.registered ?? now,
    firstUsed: before?.firstUsed ?? now,
    lastUsed: now,
  })
}

/** Groups whose target revision it is: that of their last deployment. */
const groupsWith = (groups: readonly Group[], revision: Revision): string[] =>
  groups.filter(({ target }) => target && sameRevision(target, revision)).map(({ name }) => name)

const groupsOf = (tx: ReadTx, application: string): Promise<Group[]> => tx.list(Group, { prefix: `${application}/` })

const toInfo = ({ revision, description, registered, firstUsed, lastUsed }: Registered, groups: readonly Group[]) => ({
  description,
  deploymentGroups: groupsWith(groups, revision),
  registerTime: new Date(registered),
  ...(firstUsed === undefined ? {} : { firstUsedTime: new Date(firstUsed) }),
  ...(lastUsed === undefined ? {} : { lastUsedTime: new Date(lastUsed) }),
})

export const RegisterApplicationRevision: Operation<'RegisterApplicationRevision'> = (
  ctx,
  { applicationName, description, revision },
) => {
  const read = readRevision(revision)
  checkDescription(description)
  return ctx.write(async (tx) => {
    await getApplication(tx, applicationName)
    const before = await findRevision(tx, applicationName, read)
    tx.put(Registered, {
      ...before,
      application: applicationName,
      revision: read,
      registered: ctx.now().getTime(),
      ...(description === undefined ? {} : { description }),
    })
    return {}
  })
}

export const GetApplicationRevision: Operation<'GetApplicationRevision'> = (ctx, { applicationName, revision }) =>
  ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    const found = await findRevision(tx, applicationName, readRevision(revision))
    if (!found) throw fail('RevisionDoesNotExistException', 'No revision found for the specified location.')
    const groups = await groupsOf(tx, applicationName)
    return { applicationName, revision: toRevision(found.revision), revisionInfo: toInfo(found, groups) }
  })

export const BatchGetApplicationRevisions: Operation<'BatchGetApplicationRevisions'> = (
  ctx,
  { applicationName, revisions },
) => {
  checkBatch(revisions, 25, 'RevisionRequiredException')
  const asked = revisions.map(readRevision)
  return ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    const groups = await groupsOf(tx, applicationName)
    const found = await Promise.all(asked.map((revision) => findRevision(tx, applicationName, revision)))
    const names = asked.map((one) => (isGitHub(one) ? `${one.repository} ${one.commitId}` : `${one.bucket}/${one.key}`))
    return {
      applicationName,
      errorMessage: missingOf('revision', names, found),
      revisions: found.flatMap((one) =>
        one ? [{ revisionLocation: toRevision(one.revision), genericRevisionInfo: toInfo(one, groups) }] : [],
      ),
    }
  })
}

const orders = {
  registerTime: ({ registered }: Registered) => registered,
  firstUsedTime: ({ firstUsed }: Registered) => firstUsed ?? 0,
  lastUsedTime: ({ lastUsed }: Registered) => lastUsed ?? 0,
}

export const ListApplicationRevisions: Operation<'ListApplicationRevisions'> = (ctx, input) =>
  ctx.read(async (tx) => {
    await getApplication(tx, input.applicationName)
    if (input.s3Bucket === '') throw fail('InvalidBucketNameFilterException', 'The bucket name filter is empty.')
    if (input.s3KeyPrefix !== undefined && input.s3Bucket === undefined)
      throw fail('BucketNameFilterRequiredException', 'A key prefix filter needs a bucket name filter.')
    const groups = await groupsOf(tx, input.applicationName)
    const all = (await revisionsOf(tx, input.applicationName))
      .filter(({ revision }) => !input.s3Bucket || (!isGitHub(revision) && revision.bucket === input.s3Bucket))
      .filter(
        ({ revision }) => !input.s3KeyPrefix || (!isGitHub(revision) && revision.key.startsWith(input.s3KeyPrefix)),
      )
      .filter(
        ({ revision }) =>
          !input.deployed ||
          input.deployed === 'ignore' ||
          groupsWith(groups, revision).length > 0 === (input.deployed === 'include'),
      )
    const order = input.sortBy && orders[input.sortBy]
    const sorted = order ? all.toSorted((a, b) => order(a) - order(b)) : all
    const { items, ...more } = page(input.sortOrder === 'descending' ? sorted.toReversed() : sorted, input.nextToken)
    return { revisions: items.map(({ revision }) => toRevision(revision)), ...more }
  })
