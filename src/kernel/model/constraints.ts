import type { ServiceId } from './clients.ts'

/** What a value must satisfy; numbers are places in `nodes`. Written by scripts/generate-constraints.ts. */
export type Constraint = {
  /** Least and most: of a number its value, of a string its characters, of a list or map its entries, of a blob its bytes. */
  readonly min?: number
  readonly max?: number
  readonly pattern?: string
  readonly enum?: readonly string[]
  /** A whole number of this many bits. */
  readonly int?: 32 | 64
  readonly required?: readonly string[]
  readonly members?: Readonly<Record<string, number>>
  readonly item?: number
  readonly key?: number
  readonly value?: number
}

export type Constraints = {
  readonly operations: Readonly<Record<string, { readonly input?: number; readonly errors?: readonly string[] }>>
  readonly nodes: readonly Constraint[]
}

/** The constraints of a service, read on first use. */
export const loadConstraints = async (id: ServiceId): Promise<Constraints> => {
  const module: { default: Constraints } = await import(`./constraints/${id}.json`, { with: { type: 'json' } })
  return module.default
}
