import { BuildspecError, isKeys, type Keys, type YamlReader, yamlReader } from './yaml-reader.ts'

// The `batch` section of a buildspec as a list of builds. Pure: text in, plan or `BuildspecError` out.
// AWS documentation: "Batch build buildspec reference".

/** What one build of a batch does otherwise than its project says. */
export type BatchTask = {
  readonly identifier: string
  readonly dependsOn: readonly string[]
  readonly ignoreFailure: boolean
  /** Path of another buildspec. */
  readonly buildspec?: string
  readonly computeType?: string
  readonly image?: string
  readonly type?: string
  readonly fleet?: string
  readonly privileged?: boolean
  readonly debug?: boolean
  readonly variables: Readonly<Record<string, string>>
}

export type Batchspec = { readonly fastFail: boolean; readonly tasks: readonly BatchTask[] }

type Path = readonly (string | number)[]

const identifierPattern = /^[A-Za-z][A-Za-z0-9_]{0,127}$/
const kinds = ['build-graph', 'build-list', 'build-matrix', 'build-fanout'] as const

const environment = (
  read: YamlReader,
  value: unknown,
  path: Path,
): Omit<BatchTask, 'identifier' | 'dependsOn' | 'ignoreFailure'> => {
  const env = read.section(value, path)
  const scalar = (key: string) => read.scalar(env[key], [...path, key])
  const [computeType, image, type, fleet] = [scalar('compute-type'), scalar('image'), scalar('type'), scalar('fleet')]
  return {
    ...(computeType === undefined ? {} : { computeType }),
    ...(image === undefined ? {} : { image }),
    ...(type === undefined ? {} : { type }),
    ...(fleet === undefined ? {} : { fleet }),
    ...(env['privileged-mode'] === undefined
      ? {}
      : { privileged: read.flag(env['privileged-mode'], [...path, 'privileged-mode']) }),
    variables: read.texts(env.variables, [...path, 'variables']),
  }
}

const listed = (read: YamlReader, value: unknown, path: Path): BatchTask[] => {
  if (!Array.isArray(value)) throw read.fail(`Expected ${path.join('/')} to be a list`, path)
  return value.map((item: unknown, index) => {
    const here = [...path, index]
    const keys = read.section(item, here)
    const identifier = read.scalar(keys.identifier, [...here, 'identifier'])
    if (identifier === undefined) throw read.fail(`No identifier is given for ${here.join('/')}`, here)
    if (!identifierPattern.test(identifier)) throw read.fail(`Invalid build identifier: ${identifier}`, here)
    const buildspec = read.scalar(keys.buildspec, [...here, 'buildspec'])
    return {
      identifier,
      dependsOn: path.includes('build-graph') ? read.strings(keys['depend-on'], [...here, 'depend-on']) : [],
      ignoreFailure: read.flag(keys['ignore-failure'], [...here, 'ignore-failure']),
      ...(buildspec === undefined ? {} : { buildspec }),
      ...(read.flag(keys['debug-session'], [...here, 'debug-session']) ? { debug: true } : {}),
      ...environment(read, keys.env, [...here, 'env']),
    }
  })
}

/** Every combination of what `dynamic` lists, each over what `static` says. */
const matrix = (read: YamlReader, value: unknown, path: Path, limit: number): BatchTask[] => {
  const keys = read.section(value, path)
  const fixed = read.section(keys.static, [...path, 'static'])
  const base = environment(read, fixed.env, [...path, 'static', 'env'])
  const dynamic = read.section(keys.dynamic, [...path, 'dynamic'])
  const env = read.section(dynamic.env, [...path, 'dynamic', 'env'])
  const at = [...path, 'dynamic', 'env']
  const variables = read.section(env.variables, [...at, 'variables'])
  const axes: { values: string[]; make: (value: string) => Partial<BatchTask> }[] = [
    {
      values: read.strings(dynamic.buildspec, [...path, 'dynamic', 'buildspec']),
      make: (buildspec: string) => ({ buildspec }),
    },
    {
      values: read.strings(env['compute-type'], [...at, 'compute-type']),
      make: (computeType: string) => ({ computeType }),
    },
    { values: read.strings(env.image, [...at, 'image']), make: (image: string) => ({ image }) },
    { values: read.strings(env.fleet, [...at, 'fleet']), make: (fleet: string) => ({ fleet }) },
    ...Object.entries(variables).map(([name, list]) => ({
      values: read.strings(list, [...at, 'variables', name]),
      make: (text: string) => ({ variables: { [name]: text } }),
    })),
  ].filter(({ values }) => values.length > 0)
  if (axes.reduce((product, { values }) => product * values.length, 1) > limit)
    throw read.fail(`The batch has more than ${limit} builds`, path)
  let combinations: Omit<BatchTask, 'identifier' | 'dependsOn' | 'ignoreFailure'>[] = [base]
  for (const { values, make } of axes)
    combinations = combinations.flatMap((one) =>
      values.map((text) => {
        const more = make(text)
        return { ...one, ...more, variables: { ...one.variables, ...more.variables } }
      }),
    )
  const ignoreFailure = read.flag(fixed['ignore-failure'], [...path, 'static', 'ignore-failure'])
  return combinations.map((one, index) => ({ ...one, identifier: `build${index}`, dependsOn: [], ignoreFailure }))
}

const fanout = (read: YamlReader, value: unknown, path: Path, limit: number): BatchTask[] => {
  const keys = read.section(value, path)
  const parallelism = Number(read.scalar(keys.parallelism, [...path, 'parallelism']))
  if (!Number.isInteger(parallelism) || parallelism < 2 || parallelism > limit)
    throw read.fail(`Expected ${path.join('/')}/parallelism to be a number between 2 and ${limit}`, path)
  const ignoreFailure = read.flag(keys['ignore-failure'], [...path, 'ignore-failure'])
  return Array.from({ length: parallelism }, (_, index) => ({
    identifier: `build${index}`,
    dependsOn: [],
    ignoreFailure,
    variables: { CODEBUILD_CURRENT_SHARD: String(index), CODEBUILD_TOTAL_SHARDS: String(parallelism) },
  }))
}

/** Every build waits for builds that are there, and none for itself. */
const checkGraph = (read: YamlReader, tasks: readonly BatchTask[]): void => {
  const open = new Map(tasks.map((task) => [task.identifier, task]))
  if (open.size < tasks.length) throw read.fail('Build identifiers must be unique', ['batch'])
  for (const { identifier, dependsOn } of tasks)
    for (const other of dependsOn)
      if (!open.has(other))
        throw read.fail(`The build ${identifier} depends on ${other}, which is not there`, ['batch'])
  for (let ready = true; ready && open.size > 0; ) {
    const free = [...open.values()].filter(({ dependsOn }) => !dependsOn.some((other) => open.has(other)))
    ready = free.length > 0
    for (const { identifier } of free) open.delete(identifier)
  }
  if (open.size > 0) throw read.fail(`Builds depend on each other: ${[...open.keys()].join(', ')}`, ['batch'])
}

/**
 * Reads the batch of a buildspec.
 * @param limit most builds there may be.
 * @throws BuildspecError with the sentence of the phase context.
 */
export const parseBatchspec = (text: string, limit: number): Batchspec => {
  const read = yamlReader(text)
  const root = read.content()
  if (!isKeys(root)) throw new BuildspecError('wrong number of container tags, expected 1')
  const batch: Keys = read.section(root.batch, ['batch'])
  const named = kinds.filter((kind) => batch[kind] !== undefined)
  const [kind] = named
  if (!kind)
    throw read.fail('The buildspec has no batch: expected build-graph, build-list, build-matrix or build-fanout', [
      'batch',
    ])
  if (named.length > 1) throw read.fail(`The batch is of more than one type: ${named.join(', ')}`, ['batch'])
  const path = ['batch', kind]
  const value = batch[kind]
  const tasks =
    kind === 'build-matrix'
      ? matrix(read, value, path, limit)
      : kind === 'build-fanout'
        ? fanout(read, value, path, limit)
        : listed(read, value, path)
  if (tasks.length === 0) throw read.fail('The batch has no builds', path)
  if (tasks.length > limit) throw read.fail(`The batch has more than ${limit} builds`, path)
  checkGraph(read, tasks)
  return { fastFail: read.flag(batch['fast-fail'], ['batch', 'fast-fail']), tasks }
}
