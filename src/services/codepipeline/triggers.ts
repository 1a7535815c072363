import { type Declaration, fail } from './operation.ts'

// "Add trigger with code push or pull request event types", CodePipeline user guide: a source by connection is watched for
// pushes and pull requests that pass a filter.

type Filter = {
  readonly branches?: unknown
  readonly tags?: unknown
  readonly filePaths?: unknown
  readonly events?: readonly string[]
}

const structure = (message: string) => fail('InvalidStructureException', message)

const checkFilter = (action: string, { branches, tags, filePaths, events }: Filter): void => {
  if (tags && branches) throw structure(`The trigger of ${action} has a filter with both tags and branches`)
  if (tags && filePaths) throw structure(`The trigger of ${action} has a filter with both tags and filePaths`)
  if (events && !branches) throw structure(`The trigger of ${action} has a pullRequest filter without branches`)
}

/** Throws InvalidStructureException. */
export const checkTriggers = ({ triggers = [], pipelineType = 'V1', stages }: Declaration): void => {
  if (triggers.length > 0 && pipelineType !== 'V2')
    throw structure('Triggers are only supported for pipelines of type V2')
  const seen = new Set<string>()
  for (const { gitConfiguration } of triggers) {
    const { sourceActionName: name, push = [], pullRequest = [] } = gitConfiguration ?? { sourceActionName: '' }
    const action = stages[0]?.actions.find((one) => one.name === name)
    if (action?.actionTypeId.provider !== 'CodeStarSourceConnection')
      throw structure(`The trigger of ${name} must name a source action of CodeStarSourceConnection`)
    if (seen.has(name)) throw structure(`Pipeline has more than one trigger for the source action ${name}`)
    seen.add(name)
    if (push.length + pullRequest.length === 0)
      throw structure(`The trigger of ${name} must have a push or pullRequest filter`)
    for (const filter of [...push, ...pullRequest]) checkFilter(name, filter)
  }
}
