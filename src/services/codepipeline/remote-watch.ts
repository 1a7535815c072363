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
import { type Filters, type Happening, isWatched, startsPipeline, watches } from './trigger-filter.ts'

// Repositories by connection. On AWS their provider tells of pushes and pull requests; it does not know where this server is,
// so it is asked: by git for references, by its API for pull requests, once for all pipelines of a repository.

/** How often a repository is asked, how often whether its connection is complete, and when after no answer; milliseconds. */
const interval = 30_000
const pending = 60_000
const patience = 5 * 60_000

type Pull = { readonly state: PullRequest['state']; readonly commit: string }

type RemoteWatchRecord = {
  readonly pipeline: string
  readonly action: string
  readonly connection: string
  readonly repository: string
  /** What starts the pipeline, as text: another one is another watch, which knows nothing yet. */
  readonly filters: string
  /** The repository has been asked before: what is new since is news. */
  readonly known: boolean
  /** Commit by reference (`refs/heads/main`), of those that may start the pipeline. */
  readonly references: Readonly<Record<string, string>>
  /** Pull requests as they were, by number. */
  readonly pulls: Readonly<Record<string, Pull>>
}

const keyOf = (pipeline: string, action: string) => `${pipeline}/${action}`
const remoteOf = ({ connection, repository }: Pick<RemoteWatchRecord, 'connection' | 'repository'>) =>
  `${connection}|${repository}`

export const RemoteWatch = table<RemoteWatchRecord>('codepipeline.remotewatch', {
  scope: 'region',
  key: ({ pipeline, action }) => keyOf(pipeline, action),
  index: { remote: remoteOf },
})

/** What a provider said last of a repository's pull requests, and its mark of that answer. */
type PullsRecord = { readonly remote: string; readonly tag?: string; readonly pulls: readonly PullRequest[] }

export const RemotePulls = table<PullsRecord>('codepipeline.remotepulls', {
  scope: 'region',
  key: ({ remote }) => remote,
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
    const found = filtersOf(declaration, action)
    if (!found) continue
    const { ConnectionArn: connection = '', FullRepositoryId: repository = '' } = action.configuration ?? {}
    const filters = JSON.stringify({ push: found.push, pullRequest: found.pullRequest })
    const wanted = { pipeline: declaration.name, action: action.name, connection, repository, filters }
    const known = before.find((one) =>
      (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => one[key] === wanted[key]),
    )
    const record = tx.put(RemoteWatch, known ?? { ...wanted, known: false, references: {}, pulls: {} })
    tx.wake(remoteWatching.name, remoteOf(record))
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

/** How a repository stands now. */
type Standing = {
  /** Commit by reference, `HEAD` among them. */
  readonly references: ReadonlyMap<string, string>
  readonly pulls: readonly PullRequest[]
  /** Paths that changed from one commit to another: asked once. */
  readonly paths: (from: string, to: string, since: 'commit' | 'fork') => Promise<readonly string[] | undefined>
}

const look = async (ctx: Ctx, key: string, remote: RemoteRepository, all: readonly Filters[]): Promise<Standing> => {
  const wanted = all.map(watches)
  const patterns = [
    'HEAD',
    ...(wanted.some(({ branches, pulls }) => branches || pulls) ? ['refs/heads/*'] : []),
    ...(wanted.some(({ tags }) => tags) ? ['refs/tags/*'] : []),
  ]
  const references = await remoteReferences(remote, ctx.folder(), patterns)
  const asked = new Map<string, Promise<string[] | undefined>>()
  return {
    references,
    pulls: wanted.some(({ pulls }) => pulls) ? await pullsOf(ctx, key, remote) : [],
    paths: (from, to, since) => {
      const what = `${from} ${to} ${since}`
      const folder = join(ctx.folder(), 'remotes', ctx.newId())
      const paths = asked.get(what) ?? changedPaths(remote, { from, to, since }, folder)
      asked.set(what, paths)
      return paths
    },
  }
}

const pullsOf = async (
  ctx: Ctx,
  key: string,
  { access, repository }: RemoteRepository,
): Promise<readonly PullRequest[]> => {
  const before = await ctx.read((tx) => tx.get(RemotePulls, key))
  const answer = await providerOf(access).pullRequests(repository, before?.tag)
  if (answer === 'unchanged') return before?.pulls ?? []
  await ctx.write(async (tx) => tx.put<PullsRecord>(RemotePulls, { remote: key, ...answer }))
  return answer.pulls
}

const eventOf = (before: Pull | undefined, now: Pull) => {
  if (now.state !== 'open') return before?.state === 'open' ? 'CLOSED' : undefined
  if (before?.state !== 'open') return 'OPEN'
  return before.commit === now.commit ? undefined : 'UPDATED'
}

/** What is new for one pipeline, and how it knows the repository from now on. */
const newsOf = (watch: RemoteWatchRecord, filters: Filters, { references: all, pulls: listed }: Standing) => {
  const news: Happening[] = []
  const references = Object.fromEntries([...all].filter(([name]) => isWatched(filters, name)))
  for (const [name, commit] of Object.entries(references)) {
    const before = watch.references[name]
    if (commit === before || (before === undefined && !watch.known)) continue
    if (name.startsWith('refs/tags/')) news.push({ kind: 'tag', tag: name.slice('refs/tags/'.length), commit })
    else news.push({ kind: 'push', branch: name.slice('refs/heads/'.length), commit, ...(before ? { before } : {}) })
  }
  // Those that are over are remembered for as long as they are told of.
  const pulls = Object.fromEntries(Object.entries(watch.pulls).filter(([, { state }]) => state === 'open'))
  const newest = Math.max(0, ...Object.keys(watch.pulls).map(Number))
  for (const pull of watches(filters).pulls ? listed : []) {
    // Some providers shorten what they say of commits.
    const commit = [...all.values()].find((one) => one.startsWith(pull.head.commit)) ?? pull.head.commit
    const [before, now] = [watch.pulls[pull.number], { state: pull.state, commit }]
    pulls[pull.number] = now
    // An old one that was never told of: what of it is new, nobody knows.
    if (!watch.known || (!before && Number(pull.number) <= newest)) continue
    const event = eventOf(before, now)
    if (event) news.push({ kind: 'pull', event, pull, commit })
  }
  return { news, references, pulls }
}

/** What changed by something that happened. */
const pathsOf =
  ({ references, paths }: Standing, happening: Happening) =>
  () => {
    const { commit } = happening
    const before = happening.kind === 'push' ? happening.before : undefined
    if (before !== undefined) return paths(before, commit, 'commit')
    // A branch that is new has changed what it has beyond the repository's main one.
    const base = happening.kind === 'pull' ? references.get(`refs/heads/${happening.pull.base}`) : undefined
    return paths(base ?? references.get('HEAD') ?? commit, commit, 'fork')
  }

const variablesOf = (happening: Happening): Record<string, string> => {
  if (happening.kind === 'push') return { BranchName: happening.branch }
  if (happening.kind === 'tag') return {}
  const { number, title, base, head } = happening.pull
  return { BranchName: head.branch, DestinationBranchName: base, PullRequestId: number, PullRequestTitle: title }
}

type Watcher = { readonly watch: RemoteWatchRecord; readonly filters: Filters }

/** Starts one pipeline by what is new, and remembers it, in one commit. */
const tell = async (ctx: Ctx, { watch, filters }: Watcher, standing: Standing): Promise<void> => {
  const { news, references, pulls } = newsOf(watch, filters, standing)
  const starts: Happening[] = []
  for (const happening of news)
    if (await startsPipeline(filters, happening, pathsOf(standing, happening))) starts.push(happening)
  await ctx.write(async (tx) => {
    const fresh = await tx.get(RemoteWatch, RemoteWatch.key(watch))
    if (!fresh || fresh.filters !== watch.filters || remoteOf(fresh) !== remoteOf(watch)) return
    // What a source action took in the meantime is not news again.
    const taken = Object.entries(fresh.references).filter(([name, commit]) => watch.references[name] !== commit)
    const present = { ...fresh, known: true, pulls, references: { ...references, ...Object.fromEntries(taken) } }
    if (JSON.stringify(present) !== JSON.stringify(fresh)) tx.put(RemoteWatch, present)
    for (const happening of starts) {
      const { commit: value, kind } = happening
      if (kind === 'push' && taken.some(([, commit]) => commit === value)) continue
      await startByItself(ctx, tx, watch.pipeline, {
        trigger: { type: 'WebhookV2', detail: watch.connection },
        overrides: [{ action: watch.action, type: 'COMMIT_ID', value, variables: variablesOf(happening) }],
      })
    }
  })
}

/** Asks a repository what is new for the pipelines that watch it. Key: `connection|repository`. */
export const remoteWatching: Reconciler = {
  name: 'codepipeline.remote',
  step: async (ctx, key) => {
    const watchers = await ctx.write(async (tx) => {
      const found: Watcher[] = []
      for (const watch of await tx.list(RemoteWatch, { index: 'remote', equals: key })) {
        const pipeline = await tx.get(Pipeline, watch.pipeline)
        const declaration = pipeline && (await declarationOf(tx, pipeline.name, pipeline.version))
        const action = declaration?.stages[0]?.actions.find(({ name }) => name === watch.action)
        const filters = declaration && action && filtersOf(declaration, action)
        if (filters) found.push({ watch, filters })
      }
      if (found.length === 0) tx.delete(RemotePulls, key)
      return found
    })
    const [first] = watchers
    if (!first) return done()
    const access = (await findConnection(ctx, first.watch.connection))?.access
    if (!access) return again({ in: pending })
    const { repository } = first.watch
    /** What the repository does not answer about one pipeline keeps nothing from the others. */
    const asked = async (body: () => Promise<void>): Promise<boolean> => {
      try {
        await body()
        return true
      } catch (error) {
        if (!(error instanceof RemoteError)) throw error
        ctx.log.warn('a repository could not be asked what is new', { repository, error: error.message })
        return false
      }
    }
    const answered: boolean[] = []
    const whole = await asked(async () => {
      const filters = watchers.map((watcher) => watcher.filters)
      const standing = await look(ctx, key, { access, repository }, filters)
      for (const watcher of watchers) answered.push(await asked(() => tell(ctx, watcher, standing)))
    })
    return again({ in: whole && !answered.includes(false) ? interval : patience })
  },
}
