import type { PullRequest } from '../../remotes/provider.ts'
import { fitsGlob } from './glob.ts'
import type { Declaration } from './operation.ts'

// Which of what happens in a repository starts a pipeline ("Add trigger with code push or pull request event types",
// CodePipeline user guide). Pure.

type Git = NonNullable<NonNullable<Declaration['triggers']>[number]['gitConfiguration']>
type Criteria = { readonly includes?: readonly string[] | undefined; readonly excludes?: readonly string[] | undefined }
export type Filters = Pick<Git, 'pullRequest' | 'push'>

export type PullEvent = 'CLOSED' | 'OPEN' | 'UPDATED'

export type Happening =
  | { readonly kind: 'push'; readonly branch: string; readonly commit: string; readonly before?: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly commit: string }
  | { readonly kind: 'pull'; readonly event: PullEvent; readonly pull: PullRequest; readonly commit: string }

/** Whether a name passes: it fits something that is included, if anything is, and nothing that is excluded. */
const passes = ({ includes = [], excludes = [] }: Criteria, name: string): boolean =>
  (includes.length === 0 || includes.some((pattern) => fitsGlob(pattern, name))) &&
  !excludes.some((pattern) => fitsGlob(pattern, name))

/** Whether any of the changed paths passes. */
const anyPasses = (criteria: Criteria, paths: readonly string[]): boolean =>
  paths.some((path) => passes(criteria, path))

/**
 * Whether a filter lets it start the pipeline.
 * @param paths what changed: asked for only where a filter is about paths. Where nobody can tell, no filter holds it back.
 */
export const startsPipeline = async (
  { push = [], pullRequest = [] }: Filters,
  happening: Happening,
  paths: () => Promise<readonly string[] | undefined>,
): Promise<boolean> => {
  const changed = async (filePaths: Criteria | undefined) => {
    const found = filePaths && (await paths())
    return !filePaths || !found || anyPasses(filePaths, found)
  }
  if (happening.kind === 'pull') {
    for (const { branches, events, filePaths } of pullRequest) {
      if (events?.length && !events.includes(happening.event)) continue
      if (branches && !passes(branches, happening.pull.base)) continue
      if (await changed(filePaths)) return true
    }
    return false
  }
  for (const { branches, tags, filePaths } of push) {
    if (happening.kind === 'tag') {
      if (tags && passes(tags, happening.tag)) return true
    } else if (!tags && (!branches || passes(branches, happening.branch)) && (await changed(filePaths))) return true
  }
  return false
}

/** Whether a reference by this name (`refs/heads/main`) can start anything by these filters. */
export const isWatched = ({ push = [] }: Filters, reference: string): boolean => {
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/s.exec(reference) ?? []
  return push.some(({ branches, tags }) =>
    kind === 'tags' ? tags && passes(tags, name) : kind === 'heads' && !tags && (!branches || passes(branches, name)),
  )
}

/** What has to be looked at for these filters. */
export const watches = ({ push = [], pullRequest = [] }: Filters) => ({
  branches: push.some(({ tags }) => !tags),
  tags: push.some(({ tags }) => tags),
  pulls: pullRequest.length > 0,
})
