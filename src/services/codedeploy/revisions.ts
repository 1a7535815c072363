import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { getApplication } from './applications.ts'
import { fail, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'

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
  readonly groups: readonly string[]
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

/** Notes that a revision was used by a deployment to this group, registering it if it is new. */
export const noteUse = async (
  ctx: Ctx,
  tx: WriteTx,
  application: string,
  revision: Revision,
  group: string,
): Promise<void> => {
  const now = ctx.now().getTime()
  const before = await findRevision(tx, application, revision)
  tx.put(Registered, {
    application,
    revision,
    ...(before?.description ? { description: before.description } : {}),
    registered: before?.registered ?? now,
    firstUsed: before?.firstUsed ?? now,
    lastUsed: now,
    groups: [...new Set([...(before?.groups ?? []), group])],
  })
}

const toInfo = ({ description, registered, firstUsed, lastUsed, groups }: Registered) => ({
  description,
  deploymentGroups: [...groups],
  registerTime: new Date(registered),
  ...(firstUsed === undefined ? {} : { firstUsedTime: new Date(firstUsed) }),
  ...(lastUsed === undefined ? {} : { lastUsedTime: new Date(lastUsed) }),
})

const getRegistered = async (tx: ReadTx, application: string, revision: Revision): Promise<Registered> => {
  const found = await findRevision(tx, application, revision)
  if (!found) throw fail('RevisionDoesNotExistException', 'No revision found for the specified location.')
  return found
}

export const RegisterApplicationRevision: Operation<'RegisterApplicationRevision'> = (
  ctx,
  { applicationName, description, revision },
) => {
  const read = readRevision(revision)
  return ctx.write(async (tx) => {
    await getApplication(tx, applicationName)
    const before = await findRevision(tx, applicationName, read)
    tx.put(Registered, {
      groups: [],
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
    const found = await getRegistered(tx, applicationName, readRevision(revision))
    return { applicationName, revision: toRevision(found.revision), revisionInfo: toInfo(found) }
  })

export const BatchGetApplicationRevisions: Operation<'BatchGetApplicationRevisions'> = (
  ctx,
  { applicationName, revisions },
) => {
  checkBatch(revisions, 25)
  return ctx.read(async (tx) => {
    await getApplication(tx, applicationName)
    const found = await Promise.all(
      revisions.map((revision) => getRegistered(tx, applicationName, readRevision(revision))),
    )
    return {
      applicationName,
      errorMessage: '',
      revisions: found.map((one) => ({ revisionLocation: toRevision(one.revision), genericRevisionInfo: toInfo(one) })),
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
    if (input.s3KeyPrefix && !input.s3Bucket)
      throw fail('InvalidKeyPrefixFilterException', 'A key prefix needs a bucket.')
    const all = (await revisionsOf(tx, input.applicationName))
      .filter(({ revision }) => !input.s3Bucket || (!isGitHub(revision) && revision.bucket === input.s3Bucket))
      .filter(
        ({ revision }) => !input.s3KeyPrefix || (!isGitHub(revision) && revision.key.startsWith(input.s3KeyPrefix)),
      )
      .filter(
        ({ groups }) =>
          !input.deployed || input.deployed === 'ignore' || groups.length > 0 === (input.deployed === 'include'),
      )
    const order = input.sortBy && orders[input.sortBy]
    const sorted = order ? all.toSorted((a, b) => order(a) - order(b)) : all
    const { items, ...more } = page(input.sortOrder === 'descending' ? sorted.toReversed() : sorted, input.nextToken)
    return { revisions: items.map(({ revision }) => toRevision(revision)), ...more }
  })
