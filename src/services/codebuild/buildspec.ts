import { BuildspecError, isKeys, variableName, type YamlReader, yamlReader } from './yaml-reader.ts'

// The build specification as a plan. Pure: text in, plan or `BuildspecError` out.
// AWS documentation: "Build specification reference for CodeBuild".

export const phaseNames = ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'] as const
export type PhaseName = (typeof phaseNames)[number]

/** What a failing phase leads to. `default`: install and pre_build end the build, build goes on to post_build. */
export type OnFailure =
  | { readonly action: 'default' | 'abort' | 'continue' }
  | { readonly action: 'retry'; readonly count: number; readonly pattern: string }

export type Phase = {
  readonly commands: readonly string[]
  readonly finally: readonly string[]
  readonly onFailure: OnFailure
  readonly runtimeVersions: Readonly<Record<string, string>>
  readonly runAs?: string
}

/** Names, patterns and folders may hold `$VARIABLE` and `$(command)`: the build's shell expands them after the last phase. */
export type ArtifactSpec = {
  readonly files: readonly string[]
  readonly excludePaths: readonly string[]
  readonly baseDirectory?: string
  readonly name?: string
  readonly s3Prefix?: string
  readonly discardPaths: boolean
  readonly enableSymlinks: boolean
}

export type Buildspec = {
  readonly version: '0.1' | '0.2'
  readonly runAs?: string
  /** Artifacts or logs shall go through an explicit proxy. */
  readonly proxy: boolean
  readonly env: {
    readonly shell?: 'sh' | 'bash'
    readonly variables: Readonly<Record<string, string>>
    /** Variable → parameter name. */
    readonly parameterStore: Readonly<Record<string, string>>
    /** Variable → `secret-id:json-key:version-stage:version-id`. */
    readonly secretsManager: Readonly<Record<string, string>>
    readonly exportedVariables: readonly string[]
    readonly gitCredentialHelper: boolean
  }
  readonly phases: Readonly<Partial<Record<PhaseName, Phase>>>
  readonly artifacts?: ArtifactSpec
  readonly secondaryArtifacts: Readonly<Record<string, ArtifactSpec>>
  readonly cache: CacheSpec
  readonly reports: readonly ReportSpec[]
}

/** Paths and keys may hold `$VARIABLE` and `$(command)`, as those of artifacts may. */
export type CacheSpec = {
  readonly paths: readonly string[]
  readonly key?: string
  readonly fallbackKeys: readonly string[]
  readonly action: 'save-restore' | 'save' | 'restore'
}

export const reportFormats = [
  ...['CUCUMBERJSON', 'JUNITXML', 'NUNITXML', 'NUNIT3XML', 'TESTNGXML', 'VISUALSTUDIOTRX'],
  ...['CLOVERXML', 'COBERTURAXML', 'JACOCOXML', 'LCOV', 'SIMPLECOV'],
] as const
export type ReportFormat = (typeof reportFormats)[number]

export type ReportSpec = {
  /** A name, or the ARN of a report group. */
  readonly group: string
  readonly files: readonly string[]
  readonly baseDirectory?: string
  readonly discardPaths: boolean
  readonly format: ReportFormat
}

/** Bytes of a buildspec beyond which it is refused unread. */
export const buildspecLimit = 512 * 1024
const commandLimit = 2000

/** A user of Linux, as `useradd` takes it. */
const userName = /^[A-Za-z_][A-Za-z0-9_-]{0,31}$/

/** Runtimes that can be asked for. */
const runtimes = ['dotnet', 'golang', 'java', 'nodejs', 'php', 'python', 'ruby']

const retry = /^RETRY(?:-(\d{1,3}))?(?:-(.+))?$/s

/** `ABORT`, `CONTINUE`, `RETRY`, `RETRY-count`, `RETRY-regex`, `RETRY-count-regex`. */
const onFailureOf = (word: string | undefined): OnFailure | undefined => {
  if (word === undefined) return { action: 'default' }
  if (word === 'ABORT') return { action: 'abort' }
  if (word === 'CONTINUE') return { action: 'continue' }
  const found = retry.exec(word)
  if (!found) return undefined
  const count = found[1] === undefined ? 3 : Number(found[1])
  return count > 100 ? undefined : { action: 'retry', count, pattern: found[2] ?? '.*' }
}

const cacheActions = ['save-restore', 'save', 'restore'] as const

const cacheOf = (read: YamlReader, value: unknown): CacheSpec => {
  const keys = read.section(value, ['cache'])
  const key = read.scalar(keys.key, ['cache', 'key'])
  const word = read.scalar(keys.action, ['cache', 'action']) ?? 'save-restore'
  const action = cacheActions.find((one) => one === word)
  if (!action)
    throw read.fail(`Invalid cache action: ${word}. Expecting: restore, save, save-restore`, ['cache', 'action'])
  return {
    paths: read.strings(keys.paths, ['cache', 'paths']),
    ...(key === undefined ? {} : { key }),
    fallbackKeys: read.strings(keys['fallback-keys'], ['cache', 'fallback-keys']),
    action,
  }
}

/** Most report groups a build may write to: a quota of AWS's. */
const reportLimit = 5

const reportsOf = (read: YamlReader, value: unknown): ReportSpec[] => {
  const reports = Object.entries(read.section(value, ['reports'])).map(([group, one]): ReportSpec => {
    const path = ['reports', group]
    const keys = read.section(one, path)
    const files = read.strings(keys.files, [...path, 'files'])
    if (files.length === 0) throw read.fail(`No files are given for the report group ${group}`, path)
    const word = read.scalar(keys['file-format'], [...path, 'file-format']) ?? 'JUNITXML'
    const format = reportFormats.find((one) => one === word.toUpperCase())
    if (!format)
      throw read.fail(`Invalid report file-format: ${word}. Expecting: ${reportFormats.join(', ')}`, [
        ...path,
        'file-format',
      ])
    const baseDirectory = read.scalar(keys['base-directory'], [...path, 'base-directory'])
    return {
      group,
      files,
      discardPaths: read.flag(keys['discard-paths'], [...path, 'discard-paths']),
      format,
      ...(baseDirectory === undefined ? {} : { baseDirectory }),
    }
  })
  if (reports.length > reportLimit)
    throw read.fail(`A build can write to at most ${reportLimit} report groups`, ['reports'])
  return reports
}

/**
 * Reads a buildspec, version 0.1 or 0.2. What CodeBuild ignores (unknown keys) is ignored.
 * @throws BuildspecError with the sentence of the phase context; the line is in it where there is one.
 */
export const parseBuildspec = (text: string): Buildspec => {
  if (Buffer.byteLength(text) > buildspecLimit)
    throw new BuildspecError(`buildspec is larger than the maximum of ${buildspecLimit} bytes`)
  const read = yamlReader(text)
  const root = read.content()
  if (!isKeys(root)) throw new BuildspecError('wrong number of container tags, expected 1')

  const version = read.scalar(root.version, ['version'])
  if (version === undefined) throw new BuildspecError('This build spec must have a version')
  if (Number(version) !== 0.1 && Number(version) !== 0.2) throw read.fail(`Invalid version: ${version}`, ['version'])

  const env = read.section(root.env, ['env'])
  const shell = read.scalar(env.shell, ['env', 'shell'])
  const shellName = shell?.replace(/^\/bin\//, '')
  if (shellName !== undefined && shellName !== 'sh' && shellName !== 'bash')
    throw read.fail(`Shell ${shell} is not supported on Linux`, ['env', 'shell'])
  const named = (key: 'variables' | 'parameter-store' | 'secrets-manager') => {
    const found = read.texts(env[key], ['env', key])
    for (const name of Object.keys(found))
      if (!variableName.test(name)) throw read.fail(`Invalid environment variable name: ${name}`, ['env', key, name])
    return found
  }
  const exportedVariables = read.strings(env['exported-variables'], ['env', 'exported-variables'])
  for (const name of exportedVariables)
    if (!variableName.test(name))
      throw read.fail(`Invalid environment variable name: ${name}`, ['env', 'exported-variables'])

  const phaseKeys = read.section(root.phases, ['phases'])
  const phases: Partial<Record<PhaseName, Phase>> = {}
  let count = 0
  for (const [key, value] of Object.entries(phaseKeys)) {
    const name = phaseNames.find((phase) => phase === key.toUpperCase())
    if (!name)
      throw read.fail(`Invalid buildspec phase name: ${key}. Expecting: BUILD,INSTALL,POST_BUILD,PRE_BUILD`, [
        'phases',
        key,
      ])
    const path = ['phases', key]
    const phase = read.section(value, path)
    const policy = read.scalar(phase['on-failure'], [...path, 'on-failure'])
    const onFailure = onFailureOf(policy)
    if (!onFailure)
      throw read.fail(
        `Invalid on-failure value: ${policy}. Expecting: ABORT, CONTINUE, RETRY, RETRY-count, RETRY-regex`,
        [...path, 'on-failure'],
      )
    const runAs = read.scalar(phase['run-as'], [...path, 'run-as'])
    if (runAs !== undefined && !userName.test(runAs)) throw read.fail(`Invalid user: ${runAs}`, [...path, 'run-as'])
    const runtimeVersions = read.texts(phase['runtime-versions'], [...path, 'runtime-versions'])
    const unknown = Object.keys(runtimeVersions).find((runtime) => !runtimes.includes(runtime))
    if (unknown)
      throw read.fail(
        `Unknown runtime named '${unknown}'. This build image has the following runtimes: ${runtimes.join(', ')}`,
        [...path, 'runtime-versions'],
      )
    const commands = read.commands(phase.commands, [...path, 'commands'], 'Commands')
    const closing = read.commands(phase.finally, [...path, 'finally'], 'Finally')
    count += commands.length + closing.length
    phases[name] = {
      commands,
      finally: closing,
      onFailure,
      runtimeVersions: name === 'INSTALL' ? runtimeVersions : {},
      ...(runAs === undefined ? {} : { runAs }),
    }
  }
  if (Object.keys(phases).length === 0) throw new BuildspecError('This build spec must have at least one phase')
  if (count > commandLimit) throw new BuildspecError(`buildspec has more than ${commandLimit} commands`)

  const artifactSpec = (value: unknown, path: readonly string[]): ArtifactSpec | undefined => {
    const keys = read.section(value, path)
    const files = read.strings(keys.files, [...path, 'files'])
    if (files.length === 0) return undefined
    const baseDirectory = read.scalar(keys['base-directory'], [...path, 'base-directory'])
    const name = read.scalar(keys.name, [...path, 'name'])
    const s3Prefix = read.scalar(keys['s3-prefix'], [...path, 's3-prefix'])
    return {
      files,
      excludePaths: read.strings(keys['exclude-paths'], [...path, 'exclude-paths']),
      discardPaths: read.flag(keys['discard-paths'], [...path, 'discard-paths']),
      enableSymlinks: read.flag(keys['enable-symlinks'], [...path, 'enable-symlinks']),
      ...(baseDirectory === undefined ? {} : { baseDirectory }),
      ...(name === undefined ? {} : { name }),
      ...(s3Prefix === undefined ? {} : { s3Prefix }),
    }
  }
  const artifactKeys = read.section(root.artifacts, ['artifacts'])
  const secondaryPath = ['artifacts', 'secondary-artifacts']
  const secondaryKeys = read.section(artifactKeys['secondary-artifacts'], secondaryPath)
  const secondaryArtifacts: Record<string, ArtifactSpec> = {}
  for (const [identifier, value] of Object.entries(secondaryKeys)) {
    const spec = artifactSpec(value, [...secondaryPath, identifier])
    if (!spec) throw read.fail(`No files are given for the secondary artifact ${identifier}`, secondaryPath)
    secondaryArtifacts[identifier] = spec
  }
  const artifacts = artifactSpec(artifactKeys, ['artifacts'])
  if (!artifacts && Object.keys(artifactKeys).length > 0 && Object.keys(secondaryKeys).length === 0)
    throw read.fail('No files are given for artifacts', ['artifacts'])

  const runAs = read.scalar(root['run-as'], ['run-as'])
  if (runAs !== undefined && !userName.test(runAs)) throw read.fail(`Invalid user: ${runAs}`, ['run-as'])
  const proxy = read.section(root.proxy, ['proxy'])
  return {
    version: Number(version) === 0.1 ? '0.1' : '0.2',
    ...(runAs === undefined ? {} : { runAs }),
    proxy: ['upload-artifacts', 'logs'].some((key) => read.flag(proxy[key], ['proxy', key])),
    env: {
      ...(shellName === undefined ? {} : { shell: shellName }),
      variables: named('variables'),
      parameterStore: named('parameter-store'),
      secretsManager: named('secrets-manager'),
      exportedVariables,
      gitCredentialHelper: read.flag(env['git-credential-helper'], ['env', 'git-credential-helper']),
    },
    phases,
    ...(artifacts ? { artifacts } : {}),
    secondaryArtifacts,
    cache: cacheOf(read, root.cache),
    reports: reportsOf(read, root.reports),
  }
}
