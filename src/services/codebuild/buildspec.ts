import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml'

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
  readonly cachePaths: readonly string[]
  readonly reportGroups: readonly string[]
}

/** What CodeBuild shows as `YAML_FILE_ERROR` in the context of DOWNLOAD_SOURCE. */
export class BuildspecError extends Error {}

/** Bytes of a buildspec beyond which it is refused unread. */
const sizeLimit = 512 * 1024
const aliasLimit = 200
const commandLimit = 2000

type Keys = Readonly<Record<string, unknown>>

const isKeys = (value: unknown): value is Keys => typeof value === 'object' && value !== null && !Array.isArray(value)
const isEmpty = (value: unknown) => value === undefined || value === null || value === '' || value === '~'

/** A variable's name as a shell takes it. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Reads values of one document; every complaint names the line. */
const reader = (text: string) => {
  const lines = new LineCounter()
  // The failsafe schema keeps scalars as written: `010`, `yes` and `1.10` are text, as for CodeBuild.
  const document = parseDocument(text, {
    schema: 'failsafe',
    merge: true,
    prettyErrors: false,
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
  })
  const problem = document.errors[0]
  if (problem) throw new BuildspecError(`${problem.message} at line ${lines.linePos(problem.pos[0]).line}`)

  const nodeAt = (path: readonly (string | number)[]): Node | undefined => {
    const node = document.getIn(path, true)
    return isNode(node) ? node : undefined
  }
  const lineOf = (node: Node | undefined | null) => (node?.range ? lines.linePos(node.range[0]).line : undefined)
  const at = (path: readonly (string | number)[]) => {
    const line = lineOf(nodeAt(path))
    return line === undefined ? '' : ` at line ${line}`
  }

  const content = (): unknown => {
    try {
      return document.toJS({ maxAliasCount: aliasLimit })
    } catch (error) {
      throw new BuildspecError(error instanceof Error ? error.message : String(error))
    }
  }

  const fail = (message: string, path: readonly (string | number)[]) => new BuildspecError(`${message}${at(path)}`)

  const section = (value: unknown, path: readonly (string | number)[]): Keys => {
    if (isEmpty(value)) return {}
    if (!isKeys(value)) throw fail(`Expected ${path.join('/')} to be a mapping`, path)
    return value
  }
  const scalar = (value: unknown, path: readonly (string | number)[]): string | undefined => {
    if (isEmpty(value)) return undefined
    if (typeof value !== 'string') throw fail(`Expected ${path.join('/')} to be of string type`, path)
    return value
  }
  const flag = (value: unknown, path: readonly (string | number)[]): boolean => {
    const word = scalar(value, path)?.toLowerCase()
    if (word === undefined || word === 'no' || word === 'false' || word === 'off') return false
    if (word === 'yes' || word === 'true' || word === 'on') return true
    throw fail(`Expected ${path.join('/')} to be yes or no: found ${word}`, path)
  }
  const strings = (value: unknown, path: readonly (string | number)[]): string[] => {
    if (isEmpty(value)) return []
    if (typeof value === 'string') return [value]
    if (!Array.isArray(value)) throw fail(`Expected ${path.join('/')} to be a list of strings`, path)
    return value.map((item: unknown, index) => {
      if (typeof item !== 'string')
        throw fail(`Expected ${path.join('/')}[${index}] to be of string type`, [...path, index])
      return item
    })
  }
  const texts = (value: unknown, path: readonly (string | number)[]): Record<string, string> => {
    const found: Record<string, string> = {}
    for (const [key, item] of Object.entries(section(value, path))) {
      if (item !== null && typeof item !== 'string')
        throw fail(`Expected ${[...path, key].join('/')} to be of string type`, [...path, key])
      found[key] = item ?? ''
    }
    return found
  }

  /** CodeBuild's own complaint about `- echo "a: b"` unquoted, which YAML reads as a mapping. */
  const commands = (value: unknown, path: readonly (string | number)[], title: string): string[] => {
    if (isEmpty(value)) return []
    if (typeof value === 'string') return [value]
    if (!Array.isArray(value)) throw fail(`Expected ${title} to be a list of strings: found subkeys instead`, path)
    return value.map((item: unknown, index) => {
      if (typeof item === 'string') return item
      if (item === null) return ''
      const node = nodeAt([...path, index])
      const line = lineOf(node)
      const key = isMap(node) ? (node as YAMLMap).items[0]?.key : undefined
      const name = isScalar(key) ? String(key.value) : ''
      throw new BuildspecError(
        `Expected ${title}[${index}] to be of string type: found subkeys instead at line ${line}, ` +
          `value of the key ${name || 'tag'} on line ${line} might be empty`,
      )
    })
  }

  return { content, fail, section, scalar, flag, strings, texts, commands }
}

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

/**
 * Reads a buildspec, version 0.1 or 0.2. What CodeBuild ignores (unknown keys) is ignored.
 * @throws BuildspecError with the sentence of the phase context; the line is in it where there is one.
 */
export const parseBuildspec = (text: string): Buildspec => {
  if (Buffer.byteLength(text) > sizeLimit)
    throw new BuildspecError(`buildspec is larger than the maximum of ${sizeLimit} bytes`)
  const read = reader(text)
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
    const commands = read.commands(phase.commands, [...path, 'commands'], 'Commands')
    const closing = read.commands(phase.finally, [...path, 'finally'], 'Finally')
    count += commands.length + closing.length
    phases[name] = {
      commands,
      finally: closing,
      onFailure,
      runtimeVersions: read.texts(phase['runtime-versions'], [...path, 'runtime-versions']),
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
  return {
    version: Number(version) === 0.1 ? '0.1' : '0.2',
    ...(runAs === undefined ? {} : { runAs }),
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
    cachePaths: read.strings(read.section(root.cache, ['cache']).paths, ['cache', 'paths']),
    reportGroups: Object.keys(read.section(root.reports, ['reports'])),
  }
}
