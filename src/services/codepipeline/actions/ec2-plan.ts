import { parse } from 'yaml'
import { ActionFailure } from './action.ts'

// What an EC2 deployment does on each machine: by its configuration, or by a deploy spec file, or by an AppSpec file of
// CodeDeploy ("Deploy spec file reference", Amazon EC2 action reference of the CodePipeline user guide).

export type Script = {
  readonly location: string
  readonly timeout: number
  readonly runas?: string
  /** Where the script lies on the machine; the unpacked artifact unless told. */
  readonly folder?: string
}
export type Plan = {
  readonly files: readonly { readonly source: string; readonly destination: string }[]
  readonly before: readonly Script[]
  readonly after: readonly Script[]
}

/** A script may take so long unless told, in seconds. */
const longest = 3600

const wrong = (what: string) => new ActionFailure('ConfigurationError', `The deploy spec file is not valid: ${what}`)

type Members = Readonly<Record<string, unknown>>
const membersOf = (value: unknown, what: string): Members => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members
  throw wrong(`${what} must be a mapping`)
}
const listOf = (value: unknown, what: string): readonly unknown[] => {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value as unknown[]
  throw wrong(`${what} must be a list`)
}
const textOf = (value: unknown, what: string): string => {
  if (typeof value === 'string' && value !== '') return value
  throw wrong(`${what} must be a text`)
}

const scriptsOf = (value: unknown, what: string): Script[] =>
  listOf(value, what).map((one) => {
    const { location, timeout = longest, runas } = membersOf(one, `each of ${what}`)
    const seconds = Number(timeout)
    if (!(Number.isInteger(seconds) && seconds > 0)) throw wrong(`timeout of ${what} must be a number of seconds`)
    return {
      location: textOf(location, `location of ${what}`),
      timeout: seconds,
      ...(runas === undefined || runas === null ? {} : { runas: textOf(runas, `runas of ${what}`) }),
    }
  })

/** Hooks of CodeDeploy, on the side of the deployment on which they are. */
const hooks = {
  before: ['ApplicationStop', 'BeforeInstall'],
  after: ['AfterInstall', 'ApplicationStart', 'ValidateService'],
} as const

/** Reads a deploy spec file; what it does not know it ignores, as AWS does. Throws ActionFailure. */
export const readSpec = (text: string): Plan => {
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0 })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
  const { version, files, scripts, hooks: given } = membersOf(value, 'the file')
  if (Number(version) !== 0 && Number(version) !== 0.1) throw wrong(`version ${version} is not one of 0.0, 0.1`)
  const appspec = Number(version) === 0
  const events = membersOf((appspec ? given : scripts) ?? {}, appspec ? 'hooks' : 'scripts')
  const of = (names: readonly string[]) => names.flatMap((name) => scriptsOf(events[name], name))
  return {
    files: listOf(files, 'files').map((one) => {
      const { source, destination } = membersOf(one, 'each of files')
      return { source: textOf(source, 'source'), destination: textOf(destination, 'destination') }
    }),
    before: of(appspec ? hooks.before : ['BeforeDeploy']),
    after: of(appspec ? hooks.after : ['AfterDeploy']),
  }
}

/**
 * The plan of a configuration without a spec file: everything goes into one folder, a script before and one after, which is run
 * there ("EC2 Deploy action fails with an error message No such file", Troubleshooting CodePipeline).
 */
export const planOf = ({ TargetDirectory = '', PreScript, PostScript }: Readonly<Record<string, string>>): Plan => ({
  files: [{ source: '/', destination: TargetDirectory }],
  before: PreScript ? [{ location: PreScript, timeout: longest }] : [],
  after: PostScript ? [{ location: PostScript, timeout: longest, folder: TargetDirectory }] : [],
})
