import { createHash } from 'node:crypto'

/** An AWS managed policy in its newest version; `document` is JSON text, times are epoch milliseconds. */
export type AwsManagedPolicy = {
  readonly name: string
  readonly arn: string
  readonly id: string
  readonly path: string
  readonly version: string
  readonly created: number
  readonly updated: number
  readonly document: string
}

type Data = Readonly<Record<string, Omit<AwsManagedPolicy, 'name' | 'arn' | 'id'>>>

const prefix = 'arn:aws:iam::aws:policy/'

export const isAwsManaged = (arn: string): boolean => arn.startsWith(prefix)

/** Read on first use only: they are some megabytes. */
const load = async (): Promise<Data> =>
  (await import('./data/aws-managed-policies.json', { with: { type: 'json' } })).default

/** AWS publishes the ids nowhere as a list; ours are made from the name, and so never change. */
const idOf = (name: string): string => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const digest = createHash('sha256').update(name).digest()
  return `ANPA${[...digest.subarray(0, 17)].map((byte) => letters[byte & 31]).join('')}`
}

const toPolicy = (name: string, entry: Data[string]): AwsManagedPolicy => ({
  ...entry,
  name,
  id: idOf(name),
  arn: `arn:aws:iam::aws:policy${entry.path}${name}`,
})

/** The AWS managed policy with this ARN, path and all. */
export const awsManagedPolicy = async (arn: string): Promise<AwsManagedPolicy | undefined> => {
  if (!isAwsManaged(arn)) return undefined
  const name = arn.slice(arn.lastIndexOf('/') + 1)
  const policies = await load()
  const entry = Object.hasOwn(policies, name) ? policies[name] : undefined
  if (!entry) return undefined
  const policy = toPolicy(name, entry)
  return policy.arn === arn ? policy : undefined
}

export const awsManagedPolicies = async (): Promise<AwsManagedPolicy[]> =>
  Object.entries(await load()).map(([name, entry]) => toPolicy(name, entry))
