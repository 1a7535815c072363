import { join } from 'node:path'
import type { Ctx } from '../../kernel/context.ts'
import { changedPaths, type RemoteRepository, remoteReferences } from '../../remotes/commits.ts'
import { type PullRequest, providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { findConnection } from './connection.ts'
import type { ActionDeclaration, Declaration } from './operation.ts'
import { declarationOf, Pipeline } from './pipeline.ts'
import { startByItself } from './start.ts'
import { type Filters, type Happening, startsPipeline, watches } from './trigger-filter.ts'

// Repositories by connection. On AWS their provider tells of pushes and pull requests; it does not know where this server is,
// so it is asked: by git for references, by its API for pull requests.

/** How often a repository is asked, and how often when it did not answer; milliseconds. */
const interval = 30_000
const patience = 5 * 60_000

type Pull = { readonly state: PullRequest['state']; readonly commit: string }

type RemoteWatchRecord = {
  readonly pipeline: string
  readonly action: string
  /** What is watched, as text: another one is another watch, which knows nothing yet. */
  readonly what: string
  /** It has been asked before: what is new since is news. */
  readonly known: boolean
  /** Commit by reference (`refs/heads/main`). */
  readonly references: Readonly<Record<string, string>>
  /** Pull requests as they were, by number, and the provider's mark of its last answer. */
  readonly pulls: Readonly<Record<string, Pull>>
  readonly tag?: string
}

const keyOf = (pipeline: string, action: string) => `${pipeline}/${action}`

export const RemoteWatch = table<RemoteWatchRecord>('codepipeline.remotewatch', {
  scope: 'region',
  key: ({ pipeline, action }) => keyOf(pipeline, action),
})

/** The characters of a name, none of which stands for others. */
const literal = (name: string) => name.replace(/[\\*?[\]{},]/g, '\\$&')

/**
 * What starts the pipeline by this action: its trigger's filters, or a push to its branch. `undefined`: nothing does, or it is
 * no source by connection.
 */
const filtersOf = ({ triggers = [] }: Declaration, action: ActionDeclaration): Filters | undefined => {
  const { actionTypeId, configuration = {}, name } = action
  if (actionTypeId.owner !== 'AWS' || actionTypeId.provider !== 'CodeStarSourceConnection') return undefined
  const trigger = triggers.find(({ gitConfiguration }) => gitConfiguration?.sourceActionName === name)
  if (trigger?.gitConfiguration) return trigger.gitConfiguration
  if (/^false$/i.test(configuration.DetectChanges ?? '')) return undefined
  return { push: [{ branches: { includes: [literal(configuration.BranchName ?? '')] } }] }
}

/** Watches what the declaration says, and nothing else. */
export const watchRemotes = async (tx: WriteTx, declaration: Declaration): Promise<void> => {
  const before = await tx.list(RemoteWatch, { prefix: `${declaration.name}/` })
  await unwatchRemotes(tx, declaration.name)
  for (const action of declaration.stages[0]?.actions ?? []) {
    const filters = filtersOf(declaration, action)
    if (!filters) continue
    const { ConnectionArn = '', FullRepositoryId = '' } = action.configuration ?? {}
    const what = JSON.stringify([ConnectionArn, FullRepositoryId, filters])
    const fresh = { pipeline: declaration.name, action: action.name, what, known: false, references: {}, pulls: {} }
    const record = before.find((one) => one.action === action.name && one.what === what) ?? fresh
    tx.put(RemoteWatch, record)
    tx.wake(remoteWatching.name, RemoteWatch.key(record))
  }
}

export const unwatchRemotes = async (tx: WriteTx, pipeline: string): Promise<void> => {
  for (const watch of await tx.list(RemoteWatch, { prefix: `${pipeline}/` }))
    tx.delete(RemoteWatch, RemoteWatch.key(watch))
}

/** A source action took the head of a branch by itself: it starts nothing again, and what comes after it is news. */
export const noteHead = async (
  tx: WriteTx,
  pipeline: string,
  action: string,
  branch: string,
  commit: string,
): Promise<void> => {
  const watch = await tx.get(RemoteWatch, keyOf(pipeline, action))
  const name = `refs/heads/${branch}`
  if (watch && watch.references[name] !== commit)
    tx.put(RemoteWatch, { ...watch, references: { ...watch.references, [name]: commit } })
}

/** How the repository stands now. */
type Standing = Pick<RemoteWatchRecord, 'pulls' | 'references' | 'tag'> & { readonly news: readonly Happening[] }

const look = async (
  ctx: Ctx,
  remote: RemoteRepository,
  filters: Filters,
  watch: RemoteWatchRecord,
): Promise<Standing & { readonly head?: string }> => {
  const wanted = watches(filters)
  const patterns = [
    'HEAD',
    ...(wanted.branches || wanted.pulls ? ['refs/heads/*'] : []),
    ...(wanted.tags ? ['refs/tags/*'] : []),
  ]
  const found = await remoteReferences(remote, ctx.folder(), patterns)
  const head = found.get('HEAD')
  const references = Object.fromEntries([...found].filter(([name]) => name !== 'HEAD'))
  const news: Happening[] = []
  for (const [name, commit] of Object.entries(references)) {
    const before = watch.references[name]
    if (commit === before || (before === undefined && !watch.known)) continue
    if (name.startsWith('refs/heads/'))
      news.push({ kind: 'push', branch: name.slice('refs/heads/'.length), commit, ...(before ? { before } : {}) })
    else if (name.startsWith('refs/tags/')) news.push({ kind: 'tag', tag: name.slice('refs/tags/'.length), commit })
  }
  const rest = { references, ...(head ? { head } : {}) }
  const answer = wanted.pulls ? await providerOf(remote.access).pullRequests(remote.repository, watch.tag) : 'unchanged'
  if (answer === 'unchanged')
    return { ...rest, news, pulls: watch.pulls, ...(watch.tag === undefined ? {} : { tag: watch.tag }) }
  // Those that are over are remembered for as long as they are told of.
  const pulls = Object.fromEntries(Object.entries(watch.pulls).filter(([, { state }]) => state === 'open'))
  const newest = Math.max(0, ...Object.keys(watch.pulls).map(Number))
  for (const pull of answer.pulls) {
    // Some providers shorten what they say of commits.
    const commit = [...found.values()].find((one) => one.startsWith(pull.head.commit)) ?? pull.head.commit
    const [before, now] = [watch.pulls[pull.number], { state: pull.state, commit }]
    pulls[pull.number] = now
    // An old one that was never told of: what of it is new, nobody knows.
    if (!watch.known || (!before && Number(pull.number) <= newest)) continue
    const event = eventOf(before, now)
    if (event) news.push({ kind: 'pull', event, pull, commit })
  }
  return { ...rest, news, pulls, ...(answer.tag === undefined ? {} : { tag: answer.tag }) }
}

const eventOf = (before: Pull | undefined, now: Pull) => {
  if (now.state !== 'open') return before?.state === 'open' ? 'CLOSED' : undefined
  if (before?.state !== 'open') return 'OPEN'
  return before.commit === now.commit ? undefined : 'UPDATED'
}

/** What changed, asked of the repository once, if at all. */
const pathsOf = (
  ctx: Ctx,
  remote: RemoteRepository,
  { references, head }: Awaited<ReturnType<typeof look>>,
  happening: Happening,
) => {
  let paths: Promise<string[]> | undefined
  return () => {
    const { commit } = happening
    const base = happening.kind === 'pull' ? references[`refs/heads/${happening.pull.base}`] : undefined
    const before = happening.kind === 'push' ? happening.before : base
    const from = before ?? head ?? commit
    // A branch that is new has changed what it has beyond the repository's main one.
    const since = happening.kind === 'push' && happening.before ? ('commit' as const) : ('fork' as const)
    paths ??= changedPaths(remote, { from, to: commit, since }, join(ctx.folder(), 'remotes', ctx.newId()))
    return paths
  }
}

const variablesOf = (happening: Happening): Record<string, string> => {
  if (happening.kind === 'push') return { BranchName: happening.branch }
  if (happening.kind === 'tag') return {}
  const { number, title, base, head } = happening.pull
  return { BranchName: head.branch, DestinationBranchName: base, PullRequestId: number, PullRequestTitle: title }
}

/** Asks a repository what is new. Key: `pipeline/action`. */
export const remoteWatching: Reconciler = {
  name: 'codepipeline.remote',
  step: async (ctx, key) => {
    const found = await ctx.read(async (tx) => {
      const watch = await tx.get(RemoteWatch, key)
      const pipeline = watch && (await tx.get(Pipeline, watch.pipeline))
      const declaration = pipeline && (await declarationOf(tx, pipeline.name, pipeline.version))
      return watch && declaration && { watch, declaration }
    })
    const action = found?.declaration.stages[0]?.actions.find(({ name }) => name === found.watch.action)
    const filters = found && action && filtersOf(found.declaration, action)
    if (!found || !action || !filters) return done()
    const { watch } = found
    const { ConnectionArn = '', FullRepositoryId: repository = '' } = action.configuration ?? {}
    const connection = await findConnection(ctx, ConnectionArn)
    if (!connection?.access) return again({ in: interval })
    const remote = { access: connection.access, repository }
    try {
      const standing = await look(ctx, remote, filters, watch)
      const starts: Happening[] = []
      for (const happening of standing.news)
        if (await startsPipeline(filters, happening, pathsOf(ctx, remote, standing, happening))) starts.push(happening)
      await ctx.write(async (tx) => {
        const fresh = await tx.get(RemoteWatch, key)
        if (fresh?.what !== watch.what) return
        const { references, pulls, tag } = standing
        // What a source action took in the meantime is not news again.
        const taken = Object.entries(fresh.references).filter(([name, commit]) => watch.references[name] !== commit)
        const { tag: _tag, ...rest } = fresh
        tx.put<RemoteWatchRecord>(RemoteWatch, {
          ...{ ...rest, known: true, pulls },
          references: { ...references, ...Object.fromEntries(taken) },
          ...(tag === undefined ? {} : { tag }),
        })
        for (const happening of starts) {
          const { commit } = happening
          if (happening.kind === 'push' && taken.some(([, one]) => one === commit)) continue
          await startByItself(ctx, tx, watch.pipeline, {
            trigger: { type: 'WebhookV2', detail: ConnectionArn },
            overrides: [{ action: action.name, type: 'COMMIT_ID', value: commit, variables: variablesOf(happening) }],
          })
        }
      })
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      ctx.log.warn('a repository could not be asked what is new', { pipeline: watch.pipeline, error: error.message })
      return again({ in: patience })
    }
    return again({ in: interval })
  },
}
