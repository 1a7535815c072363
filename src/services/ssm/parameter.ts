import type { ParameterTier, ParameterType, Parameter as WireParameter } from '@aws-sdk/client-ssm'
import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table } from '../../store/store.ts'
import { fail } from './operation.ts'

/** The value of a SecureString: its ciphertext under KMS; a larger one under a data key of its own. */
export type Sealed = { readonly ciphertext: string; readonly dataKey?: string }

/** A policy of an advanced parameter, as given, and whether it has been carried out. */
export type PolicyRecord = {
  readonly type: 'Expiration' | 'ExpirationNotification' | 'NoChangeNotification'
  readonly text: string
  readonly done: boolean
}

export type Version = {
  readonly version: number
  readonly type: ParameterType
  /** Plain text; absent for a SecureString. */
  readonly value?: string
  readonly sealed?: Sealed
  /** As the caller named it: an id, ARN or alias. */
  readonly keyId?: string
  /** Epoch milliseconds, as all times here. */
  readonly modified: number
  /** ARN. */
  readonly user: string
  readonly description?: string
  readonly allowedPattern?: string
  readonly tier: ParameterTier
  readonly dataType: string
  readonly policies: readonly PolicyRecord[]
}

export type ParameterRecord = {
  readonly name: string
  readonly current: Version
  /** Version by label. */
  readonly labels: Readonly<Record<string, number>>
  readonly tags: Readonly<Record<string, string>>
  /** Policies by which other accounts read it, as given. */
  readonly sharing?: readonly { readonly id: string; readonly text: string }[]
}
export const Parameter = table<ParameterRecord>('ssm.parameter', { scope: 'region', key: ({ name }) => name })

export type VersionRecord = Version & { readonly name: string }
const versionKey = (name: string, version: number) => `${name}\n${String(version).padStart(12, '0')}`
export const ParameterVersion = table<VersionRecord>('ssm.parameter-version', {
  scope: 'region',
  key: ({ name, version }) => versionKey(name, version),
})

export const versionsOf = (tx: ReadTx, name: string, at?: Place): Promise<VersionRecord[]> =>
  tx.list(ParameterVersion, { prefix: `${name}\n` }, at)
export const findVersion = (
  tx: ReadTx,
  name: string,
  version: number,
  at?: Place,
): Promise<VersionRecord | undefined> => tx.get(ParameterVersion, versionKey(name, version), at)
export const keyOfVersion = ({ name, version }: VersionRecord): string => versionKey(name, version)

export const parameterArn = (ctx: Pick<Ctx, 'arn'>, name: string): string =>
  ctx.arn(`parameter${name.startsWith('/') ? '' : '/'}${name}`)

type Address = { readonly place: Place; readonly name: string; readonly selector?: string }

/** Where an ARN of this Region leads, in whichever account. The ARNs of `/a` and of `a` are the same: taken for a hierarchy's. */
export const addressOf = ({ place: { region } }: Pick<Ctx, 'place'>, arn: string): Address | undefined => {
  const [, where, account, name, selector] =
    /^arn:aws:ssm:([\w-]+):(\d{12}):parameter(\/[^:]+)(?::(.*))?$/.exec(arn) ?? []
  if (where !== region || account === undefined || name === undefined) return undefined
  return { place: { account, region }, name, ...(selector === undefined ? {} : { selector }) }
}

/** A name as a request may give it: plain, as an ARN, with a version or label behind a colon; spaces around it do not count. */
export const parseName = (ctx: Pick<Ctx, 'place'>, text: string): { name: string; selector?: string } => {
  const given = text.trim()
  const address = addressOf(ctx, given)
  if (address?.place.account === ctx.place.account) return address
  const at = given.indexOf(':')
  return at < 0 ? { name: given } : { name: given.slice(0, at), selector: given.slice(at + 1) }
}

/** Raises ParameterNotFound. */
export const getParameter = async (tx: ReadTx, name: string): Promise<ParameterRecord> => {
  const found = await findParameter(tx, name)
  if (!found) throw notFound(name)
  return found
}

export const notFound = (name: string) => fail('ParameterNotFound', `Parameter ${name} not found.`)

export const findParameter = (tx: ReadTx, name: string): Promise<ParameterRecord | undefined> => tx.get(Parameter, name)

/** By an ARN, which does not tell `/a` from `a`. */
export const findByArn = async (
  ctx: Pick<Ctx, 'place'>,
  tx: ReadTx,
  arn: string,
): Promise<ParameterRecord | undefined> => {
  const { name, place } = addressOf(ctx, arn) ?? {}
  if (name === undefined) return undefined
  return (await tx.get(Parameter, name, place)) ?? tx.get(Parameter, name.slice(1), place)
}

/** The version that a selector (a number or a label) names; the newest without one. Raises ParameterVersionNotFound. */
export const selected = async (
  tx: ReadTx,
  parameter: ParameterRecord,
  selector: string | undefined,
  at?: Place,
): Promise<Version> => {
  if (selector === undefined) return parameter.current
  const number = /^\d+$/.test(selector) ? Number(selector) : parameter.labels[selector]
  const found = number === undefined ? undefined : await findVersion(tx, parameter.name, number, at)
  if (!found) {
    const what = /^\d+$/.test(selector) ? 'version' : 'label'
    throw fail(
      'ParameterVersionNotFound',
      `Systems Manager could not find ${what} ${selector} of ${parameter.name}. Verify the ${what} and try again.`,
    )
  }
  return found
}

export const toParameter = (
  name: string,
  arn: string,
  version: Version,
  value: string,
  selector?: string,
): WireParameter => ({
  Name: name,
  Type: version.type,
  Value: value,
  Version: version.version,
  ...(selector === undefined ? {} : { Selector: `:${selector}` }),
  LastModifiedDate: new Date(version.modified),
  ARN: arn,
  DataType: version.dataType,
})

/** A policy as answers show it. */
export const valueOfPolicy = ({ type, text, done }: PolicyRecord) => ({
  PolicyText: text,
  PolicyType: type,
  PolicyStatus: done ? 'Finished' : 'Pending',
})
