import { ActionFailure, type ActionKind } from './action.ts'

/** A JSON array of objects with these strings, as the configuration has it; or what is wrong with it. */
const parse = <K extends string>(name: string, text: string, keys: readonly K[]): Record<K, string>[] | string => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return `${name} is not valid JSON`
  }
  const complete = (one: unknown): one is Record<K, string> =>
    typeof one === 'object' &&
    one !== null &&
    keys.every((key) => typeof (one as Record<string, unknown>)[key] === 'string')
  if (!Array.isArray(value) || !value.every(complete))
    return `${name} must be an array of objects with the strings ${keys.join(', ')}`
  return value
}

const revisionKeys = ['actionName', 'revisionType', 'revisionValue'] as const
const variableKeys = ['name', 'value'] as const
const revisionTypes = ['COMMIT_ID', 'IMAGE_DIGEST', 'S3_OBJECT_VERSION_ID', 'S3_OBJECT_KEY'] as const
const isRevisionType = (type: string): type is (typeof revisionTypes)[number] =>
  revisionTypes.some((one) => one === type)

/** What a target is started with; a sentence where it cannot be. */
const overridesOf = ({ SourceRevisions = '[]', Variables = '[]' }: Readonly<Record<string, string>>) => {
  const revisions = parse('SourceRevisions', SourceRevisions, revisionKeys)
  if (typeof revisions === 'string') return revisions
  const variables = parse('Variables', Variables, variableKeys)
  if (typeof variables === 'string') return variables
  const sourceRevisions = revisions.flatMap(({ revisionType, ...one }) =>
    isRevisionType(revisionType) ? [{ ...one, revisionType }] : [],
  )
  if (sourceRevisions.length < revisions.length) return 'SourceRevisions has a revisionType that is not known'
  return { sourceRevisions, variables }
}

/** "AWS CodePipeline invoke action reference", CodePipeline user guide: starts another pipeline, and does not wait for it. */
export const pipelineInvoke: ActionKind = {
  category: 'Invoke',
  provider: 'CodePipeline',
  properties: [
    { name: 'PipelineName', required: true, description: 'The pipeline to start.' },
    { name: 'SourceRevisions', required: false, description: 'Revisions of its sources, as a JSON array.' },
    { name: 'Variables', required: false, description: 'Values of its variables, as a JSON array.' },
  ],
  inputs: [0, 0],
  outputs: [0, 0],
  timeoutMinutes: 60,
  onlyV2: true,
  check: ({ configuration = {} }) => {
    // What refers to variables is a whole only when the action runs.
    if (Object.values(configuration).some((text) => text.includes('#{'))) return undefined
    const overrides = overridesOf(configuration)
    return typeof overrides === 'string' ? overrides : undefined
  },
  start: async ({ id, configuration, role }) => {
    const overrides = overridesOf(configuration)
    if (typeof overrides === 'string') throw new ActionFailure('ConfigurationError', overrides)
    const { sourceRevisions, variables } = overrides
    const { codepipeline } = await role()
    const { pipelineExecutionId = '' } = await codepipeline.startPipelineExecution({
      name: configuration.PipelineName ?? '',
      clientRequestToken: id,
      ...(sourceRevisions.length > 0 ? { sourceRevisions } : {}),
      ...(variables.length > 0 ? { variables } : {}),
    })
    return { state: 'succeeded', external: { id: pipelineExecutionId } }
  },
}
