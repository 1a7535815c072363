import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { fail, refused } from './operation.ts'

export type Tags = Readonly<Record<string, string>>

/** What a version is, beside its value. */
export type VersionFacts = {
  readonly stages: readonly string[]
  /** Epoch milliseconds, as all times here. */
  readonly created: number
  /** The day of the last read. */
  readonly accessed?: number
  readonly keyId: string
}

export type ReplicaFacts = {
  readonly region: string
  readonly keyId?: string
  readonly status: 'InSync' | 'Failed'
  readonly message?: string
}

export type Rotation = {
  readonly lambda: string
  readonly rules: RotationRulesType
  readonly enabled: boolean
  /** Where counting of days and rates began. */
  readonly since: number
  readonly next?: number
  readonly last?: number
  /** A rotation under way: the version it makes, and the step of the function that comes next. */
  readonly pending?: { readonly token: string; readonly step: number }
}

export type SecretRecord = {
  readonly name: string
  readonly account: string
  readonly region: string
  /** The six characters behind the name in its ARN: a secret made again has others. */
  readonly suffix: string
  readonly description?: string
  readonly type?: string
  readonly keyId?: string
  readonly created: number
  readonly changed: number
  readonly tags: Tags
  readonly policy?: string
  readonly versions: Readonly<Record<string, VersionFacts>>
  readonly rotation?: Rotation
  /** When deletion was asked for, and when the secret will be gone. */
  readonly deletion?: { readonly asked: number; readonly at: number }
  /** A replica: where its primary secret is. */
  readonly primaryRegion?: string
  readonly replicas: readonly ReplicaFacts[]
}
export const Secret = table<SecretRecord>('secretsmanager.secret', { scope: 'region', key: ({ name }) => name })

/** A version's value: under a data key of KMS that is bound to secret and version. */
export type SecretValue = {
  readonly name: string
  readonly version: string
  readonly binary: boolean
  /** Base64, as the next. */
  readonly ciphertext: string
  readonly dataKey: string
  /** Digest of the plain value, sealed: by it a request that is made again is known. */
  readonly digest: string
}
export const Value = table<SecretValue>('secretsmanager.value', {
  scope: 'region',
  key: ({ name, version }) => `${name}\n${version}`,
})
export const valueKey = (name: string, version: string): string => `${name}\n${version}`

export const secretArn = ({
  region,
  account,
  name,
  suffix,
}: Pick<SecretRecord, 'region' | 'account' | 'name' | 'suffix'>): string =>
  `arn:aws:secretsmanager:${region}:${account}:secret:${name}-${suffix}`

export const placeOf = ({ account, region }: Pick<SecretRecord, 'account' | 'region'>): Place => ({ account, region })

/** Where a secret is and what may be its name: a plain name, an ARN, an ARN without its last six characters. */
const candidates = (
  here: Place,
  given: string,
): { place: Place; names: readonly { name: string; suffix?: string }[] } => {
  const arn = /^arn:[\w-]+:secretsmanager:([\w-]+):(\d{12}):secret:(.+)$/.exec(given)
  if (!arn) return { place: here, names: [{ name: given }] }
  const [, region = '', account = '', rest = ''] = arn
  const whole = /^(.+)-([A-Za-z0-9]{6})$/.exec(rest)
  return {
    place: { region, account },
    names: [...(whole ? [{ name: whole[1] ?? '', suffix: whole[2] ?? '' }] : []), { name: rest }],
  }
}

export const findSecret = async (tx: ReadTx, here: Place, given: string): Promise<SecretRecord | undefined> => {
  const { place, names } = candidates(here, given)
  for (const { name, suffix } of names) {
    const found = await tx.get(Secret, name, place)
    if (found && (suffix === undefined || found.suffix === suffix)) return found
  }
  return undefined
}

/** Raises ResourceNotFoundException. */
export const getSecret = async (tx: ReadTx, here: Place, given: string): Promise<SecretRecord> => {
  const found = await findSecret(tx, here, given)
  if (!found) throw fail('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
  return found
}

/** A secret that is not about to be deleted. Raises InvalidRequestException too. */
export const getLiving = async (tx: ReadTx, here: Place, given: string): Promise<SecretRecord> => {
  const secret = await getSecret(tx, here, given)
  if (secret.deletion)
    throw refused("You can't perform this operation on the secret because it was marked for deletion.")
  return secret
}

/** A living secret that is no replica: those follow their primary. Raises InvalidRequestException. */
export const getPrimary = async (tx: ReadTx, here: Place, given: string): Promise<SecretRecord> => {
  const secret = await getLiving(tx, here, given)
  if (secret.primaryRegion !== undefined)
    throw refused(`Operation not permitted on a replica secret. Call must be made in primary secret's region.`)
  return secret
}

/** The replica that a secret has in a Region. Another secret of its name there, or a replica that was promoted, is none. */
export const findReplica = async (
  tx: ReadTx,
  { account, region, name, suffix }: SecretRecord,
  where: string,
): Promise<SecretRecord | undefined> => {
  const there = await tx.get(Secret, name, { account, region: where })
  return there?.primaryRegion === region && there.suffix === suffix ? there : undefined
}

/** Writes a change to a secret, and what its replicas share with it. */
export const putSecret = async (tx: WriteTx, secret: SecretRecord): Promise<SecretRecord> => {
  tx.put(Secret, secret, placeOf(secret))
  for (const { region } of secret.replicas) {
    const place = { account: secret.account, region }
    const replica = await findReplica(tx, secret, region)
    if (!replica) continue
    const { description, type, changed, tags, rotation, deletion } = secret
    const { description: _, type: __, rotation: ___, deletion: ____, ...own } = replica
    tx.put(
      Secret,
      {
        ...own,
        changed,
        tags,
        ...(description === undefined ? {} : { description }),
        ...(type === undefined ? {} : { type }),
        ...(rotation ? { rotation } : {}),
        ...(deletion ? { deletion } : {}),
      },
      place,
    )
  }
  return secret
}

/** The secret is gone with all its values. */
export const forget = (tx: WriteTx, secret: SecretRecord): void => {
  tx.delete(Secret, secret.name, placeOf(secret))
  for (const id of Object.keys(secret.versions)) tx.delete(Value, valueKey(secret.name, id), placeOf(secret))
}

export const stageHolder = ({ versions }: SecretRecord, stage: string): string | undefined =>
  Object.entries(versions).find(([, { stages }]) => stages.includes(stage))?.[0]

export const stagesOf = ({ versions }: SecretRecord): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(versions)
      .filter(([, { stages }]) => stages.length > 0)
      .map(([id, { stages }]) => [id, [...stages]]),
  )

/** A stage is on one version at a time; what loses AWSCURRENT becomes AWSPREVIOUS. */
export const moveStage = (
  versions: SecretRecord['versions'],
  stage: string,
  to: string | undefined,
): Record<string, VersionFacts> => {
  const former = Object.entries(versions).find(([, { stages }]) => stages.includes(stage))?.[0]
  const next = Object.fromEntries(
    Object.entries(versions).map(([id, facts]) => [
      id,
      {
        ...facts,
        stages: id === to ? [...new Set([...facts.stages, stage])] : facts.stages.filter((one) => one !== stage),
      },
    ]),
  )
  return stage === 'AWSCURRENT' && former !== undefined && former !== to ? moveStage(next, 'AWSPREVIOUS', former) : next
}

/** The day of a read, which is as exact as "last accessed" is. */
export const dayOf = (ctx: Pick<Ctx, 'now'>): number => Math.floor(ctx.now().getTime() / 86_400_000) * 86_400_000
