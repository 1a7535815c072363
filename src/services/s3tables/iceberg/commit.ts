import * as z from 'zod'
import { InvalidMetadataError } from './invalid.ts'
import { checkSources, numberedSpec } from './new-table.ts'
import { checkSchema, highestId, SchemaShape } from './schema.ts'
import {
  checked,
  currentSchema,
  LongShape,
  type Metadata,
  RefShape,
  SnapshotShape,
  SortOrderShape,
  SpecShape,
  StatisticsShape,
} from './table-metadata.ts'

// Changes of a table's metadata, and what must hold for them ("CommitTableRequest", Apache Iceberg REST catalog
// specification). A pure engine.

const RequirementShape = z.discriminatedUnion('type', [
  z.object({ type: z.literal('assert-create') }),
  z.object({ type: z.literal('assert-table-uuid'), uuid: z.string() }),
  z.object({ type: z.literal('assert-ref-snapshot-id'), ref: z.string(), 'snapshot-id': LongShape.nullish() }),
  z.object({ type: z.literal('assert-last-assigned-field-id'), 'last-assigned-field-id': z.int() }),
  z.object({ type: z.literal('assert-current-schema-id'), 'current-schema-id': z.int() }),
  z.object({ type: z.literal('assert-last-assigned-partition-id'), 'last-assigned-partition-id': z.int() }),
  z.object({ type: z.literal('assert-default-spec-id'), 'default-spec-id': z.int() }),
  z.object({ type: z.literal('assert-default-sort-order-id'), 'default-sort-order-id': z.int() }),
])

const UpdateShape = z.discriminatedUnion('action', [
  z.object({ action: z.literal('assign-uuid'), uuid: z.string() }),
  z.object({ action: z.literal('upgrade-format-version'), 'format-version': z.int() }),
  z.object({ action: z.literal('add-schema'), schema: SchemaShape }),
  z.object({ action: z.literal('set-current-schema'), 'schema-id': z.int() }),
  z.object({ action: z.literal('add-spec'), spec: SpecShape }),
  z.object({ action: z.literal('set-default-spec'), 'spec-id': z.int() }),
  z.object({ action: z.literal('add-sort-order'), 'sort-order': SortOrderShape }),
  z.object({ action: z.literal('set-default-sort-order'), 'sort-order-id': z.int() }),
  z.object({ action: z.literal('add-snapshot'), snapshot: SnapshotShape }),
  RefShape.extend({ action: z.literal('set-snapshot-ref'), 'ref-name': z.string().min(1) }),
  z.object({ action: z.literal('remove-snapshots'), 'snapshot-ids': z.array(LongShape) }),
  z.object({ action: z.literal('remove-snapshot-ref'), 'ref-name': z.string() }),
  z.object({ action: z.literal('set-location'), location: z.string() }),
  z.object({ action: z.literal('set-properties'), updates: z.record(z.string(), z.string()) }),
  z.object({ action: z.literal('remove-properties'), removals: z.array(z.string()) }),
  z.object({ action: z.literal('set-statistics'), statistics: StatisticsShape }),
  z.object({ action: z.literal('remove-statistics'), 'snapshot-id': LongShape }),
  z.object({ action: z.literal('set-partition-statistics'), 'partition-statistics': StatisticsShape }),
  z.object({ action: z.literal('remove-partition-statistics'), 'snapshot-id': LongShape }),
  z.object({ action: z.literal('remove-partition-specs'), 'spec-ids': z.array(z.int()) }),
  z.object({ action: z.literal('remove-schemas'), 'schema-ids': z.array(z.int()) }),
])

export const CommitShape = z.looseObject({
  requirements: z.array(RequirementShape).default([]),
  updates: z.array(UpdateShape).default([]),
})
export type Commit = z.infer<typeof CommitShape>
type Requirement = Commit['requirements'][number]
type Update = Commit['updates'][number]

/** Why a requirement does not hold; `undefined` where it does. */
const unmet = (metadata: Metadata, requirement: Requirement): string | undefined => {
  const differs = (what: string, expected: unknown, present: unknown) =>
    expected === present ? undefined : `${what} changed: expected ${String(expected)}, but is ${String(present)}`
  switch (requirement.type) {
    case 'assert-create':
      return 'the table already exists'
    case 'assert-table-uuid':
      return differs('UUID', requirement.uuid.toLowerCase(), metadata['table-uuid'].toLowerCase())
    case 'assert-ref-snapshot-id': {
      const present = metadata.refs[requirement.ref]?.['snapshot-id']
      return differs(`branch or tag ${requirement.ref}`, requirement['snapshot-id'] ?? undefined, present)
    }
    case 'assert-last-assigned-field-id':
      return differs('last assigned field id', requirement['last-assigned-field-id'], metadata['last-column-id'])
    case 'assert-current-schema-id':
      return differs('current schema', requirement['current-schema-id'], metadata['current-schema-id'])
    case 'assert-last-assigned-partition-id':
      return differs(
        'last assigned partition id',
        requirement['last-assigned-partition-id'],
        metadata['last-partition-id'],
      )
    case 'assert-default-spec-id':
      return differs('default partition specification', requirement['default-spec-id'], metadata['default-spec-id'])
    case 'assert-default-sort-order-id':
      return differs('default sort order', requirement['default-sort-order-id'], metadata['default-sort-order-id'])
  }
}

/** Why a commit's requirements do not hold; `undefined` where all do. */
export const unmetRequirement = (metadata: Metadata, requirements: readonly Requirement[]): string | undefined =>
  requirements.map((requirement) => unmet(metadata, requirement)).find((reason) => reason !== undefined)

/** Ids that an update gives are named by -1 in later ones. */
type Added = { readonly schema?: number; readonly spec?: number; readonly order?: number }
type State = { readonly metadata: Metadata; readonly added: Added }

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
const nextId = (ids: readonly number[], least: number): number => Math.max(least - 1, ...ids) + 1
const named = (asked: number, added: number | undefined, known: readonly number[], what: string): number => {
  const id = asked === -1 ? added : asked
  if (id === undefined || !known.includes(id)) throw new InvalidMetadataError(`There is no ${what} ${asked}.`)
  return id
}

const addSchema = ({ metadata, added }: State, schema: z.infer<typeof SchemaShape>): State => {
  checkSchema(schema)
  const bare = ({ fields, 'identifier-field-ids': ids = [] }: z.infer<typeof SchemaShape>) => [fields, ids]
  const known = metadata.schemas.find((each) => same(bare(each), bare(schema)))
  const id =
    known?.['schema-id'] ??
    nextId(
      metadata.schemas.map((each) => each['schema-id']),
      0,
    )
  return {
    added: { ...added, schema: id },
    metadata: {
      ...metadata,
      schemas: known ? metadata.schemas : [...metadata.schemas, { ...schema, 'schema-id': id }],
      'last-column-id': Math.max(metadata['last-column-id'], highestId(schema)),
    },
  }
}

const addSpec = ({ metadata, added }: State, { fields }: z.infer<typeof SpecShape>): State => {
  checkSources(currentSchema(metadata), fields)
  const specs = metadata['partition-specs']
  const spec = numberedSpec(
    fields,
    nextId(
      specs.map((each) => each['spec-id']),
      0,
    ),
    metadata['last-partition-id'],
  )
  const known = specs.find((each) => same(each.fields, spec.fields))
  return {
    added: { ...added, spec: known?.['spec-id'] ?? spec['spec-id'] },
    metadata: {
      ...metadata,
      'partition-specs': known ? specs : [...specs, { ...spec, fields: [...spec.fields] }],
      'last-partition-id': Math.max(metadata['last-partition-id'], ...spec.fields.map((field) => field['field-id'])),
    },
  }
}

const addOrder = ({ metadata, added }: State, { fields }: z.infer<typeof SortOrderShape>): State => {
  checkSources(currentSchema(metadata), fields)
  const orders = metadata['sort-orders']
  const known = orders.find((each) => same(each.fields, fields))
  const id =
    known?.['order-id'] ??
    (fields.length === 0
      ? 0
      : nextId(
          orders.map((each) => each['order-id']),
          1,
        ))
  return {
    added: { ...added, order: id },
    metadata: { ...metadata, 'sort-orders': known ? orders : [...orders, { 'order-id': id, fields }] },
  }
}

const addSnapshot = (metadata: Metadata, snapshot: z.infer<typeof SnapshotShape>): Metadata => {
  const { 'snapshot-id': id, 'sequence-number': sequence = 0 } = snapshot
  if (metadata.snapshots.some((each) => each['snapshot-id'] === id))
    throw new InvalidMetadataError(`There is a snapshot ${id} already.`)
  if (snapshot['parent-snapshot-id'] != null && sequence <= metadata['last-sequence-number'])
    throw new InvalidMetadataError(
      `The snapshot's sequence number ${sequence} is not greater than the last one, ${metadata['last-sequence-number']}.`,
    )
  return {
    ...metadata,
    snapshots: [...metadata.snapshots, snapshot],
    'last-sequence-number': sequence > metadata['last-sequence-number'] ? sequence : metadata['last-sequence-number'],
  }
}

const setRef = (metadata: Metadata, name: string, ref: z.infer<typeof RefShape>): Metadata => {
  const snapshot = metadata.snapshots.find((each) => each['snapshot-id'] === ref['snapshot-id'])
  if (!snapshot) throw new InvalidMetadataError(`There is no snapshot ${ref['snapshot-id']}.`)
  const refs = { ...metadata.refs, [name]: ref }
  if (name !== 'main') return { ...metadata, refs }
  if (ref.type !== 'branch') throw new InvalidMetadataError('main must be a branch.')
  const entry = { 'timestamp-ms': snapshot['timestamp-ms'], 'snapshot-id': ref['snapshot-id'] }
  const moved = metadata['current-snapshot-id'] !== ref['snapshot-id']
  return {
    ...metadata,
    refs,
    'current-snapshot-id': ref['snapshot-id'],
    'snapshot-log': moved ? [...metadata['snapshot-log'], entry] : metadata['snapshot-log'],
  }
}

const removeRef = (metadata: Metadata, name: string): Metadata => {
  const { [name]: _, ...refs } = metadata.refs
  return { ...metadata, refs, ...(name === 'main' ? { 'current-snapshot-id': -1 } : {}) }
}

const removeSnapshots = (metadata: Metadata, ids: readonly (number | bigint)[]): Metadata => {
  const gone = new Set(ids)
  const stays = (each: { readonly 'snapshot-id': number | bigint }) => !gone.has(each['snapshot-id'])
  const log = metadata['snapshot-log']
  return Object.entries(metadata.refs)
    .filter(([, ref]) => !stays(ref))
    .reduce((left, [name]) => removeRef(left, name), {
      ...metadata,
      snapshots: metadata.snapshots.filter(stays),
      statistics: metadata.statistics.filter(stays),
      'partition-statistics': metadata['partition-statistics'].filter(stays),
      // What came before a gap would tell of a history that was not.
      'snapshot-log': log.slice(log.findLastIndex((entry) => !stays(entry)) + 1),
    })
}

const apply = (state: State, update: Update): State => {
  const { metadata, added } = state
  const as = (changed: Metadata): State => ({ metadata: changed, added })
  const except = <K extends 'statistics' | 'partition-statistics'>(key: K, id: number | bigint) =>
    metadata[key].filter((each) => each['snapshot-id'] !== id)
  switch (update.action) {
    case 'assign-uuid':
      if (update.uuid.toLowerCase() !== metadata['table-uuid'].toLowerCase())
        throw new InvalidMetadataError('The UUID of a table cannot be changed.')
      return state
    case 'upgrade-format-version':
      if (update['format-version'] !== metadata['format-version'])
        throw new InvalidMetadataError(`Tables cannot be of format version ${update['format-version']} here: only 2.`)
      return state
    case 'add-schema':
      return addSchema(state, update.schema)
    case 'set-current-schema': {
      const known = metadata.schemas.map((schema) => schema['schema-id'])
      return as({ ...metadata, 'current-schema-id': named(update['schema-id'], added.schema, known, 'schema') })
    }
    case 'add-spec':
      return addSpec(state, update.spec)
    case 'set-default-spec': {
      const known = metadata['partition-specs'].map((spec) => spec['spec-id'])
      const id = named(update['spec-id'], added.spec, known, 'partition specification')
      return as({ ...metadata, 'default-spec-id': id })
    }
    case 'add-sort-order':
      return addOrder(state, update['sort-order'])
    case 'set-default-sort-order': {
      const known = metadata['sort-orders'].map((order) => order['order-id'])
      const id = named(update['sort-order-id'], added.order, known, 'sort order')
      return as({ ...metadata, 'default-sort-order-id': id })
    }
    case 'add-snapshot':
      return as(addSnapshot(metadata, update.snapshot))
    case 'set-snapshot-ref': {
      const { action: _, 'ref-name': name, ...ref } = update
      return as(setRef(metadata, name, ref))
    }
    case 'remove-snapshots':
      return as(removeSnapshots(metadata, update['snapshot-ids']))
    case 'remove-snapshot-ref':
      return as(removeRef(metadata, update['ref-name']))
    case 'set-location':
      if (update.location !== metadata.location)
        throw new InvalidMetadataError('The location of a table cannot be changed.')
      return state
    case 'set-properties':
      return as({ ...metadata, properties: { ...metadata.properties, ...update.updates } })
    case 'remove-properties': {
      const left = Object.entries(metadata.properties).filter(([key]) => !update.removals.includes(key))
      return as({ ...metadata, properties: Object.fromEntries(left) })
    }
    case 'set-statistics': {
      const { statistics } = update
      return as({ ...metadata, statistics: [...except('statistics', statistics['snapshot-id']), statistics] })
    }
    case 'remove-statistics':
      return as({ ...metadata, statistics: except('statistics', update['snapshot-id']) })
    case 'set-partition-statistics': {
      const { 'partition-statistics': file } = update
      const others = except('partition-statistics', file['snapshot-id'])
      return as({ ...metadata, 'partition-statistics': [...others, file] })
    }
    case 'remove-partition-statistics':
      return as({ ...metadata, 'partition-statistics': except('partition-statistics', update['snapshot-id']) })
    case 'remove-partition-specs': {
      const gone = update['spec-ids']
      if (gone.includes(metadata['default-spec-id']))
        throw new InvalidMetadataError('The default partition specification cannot be removed.')
      const specs = metadata['partition-specs'].filter((spec) => !gone.includes(spec['spec-id']))
      return as({ ...metadata, 'partition-specs': specs })
    }
    case 'remove-schemas': {
      const gone = update['schema-ids']
      if (gone.includes(metadata['current-schema-id']))
        throw new InvalidMetadataError('The current schema cannot be removed.')
      return as({ ...metadata, schemas: metadata.schemas.filter((schema) => !gone.includes(schema['schema-id'])) })
    }
  }
}

/** How many earlier files of metadata the log names, unless the table says otherwise. */
const usualLog = 100

/** The metadata after a commit's updates; `file`: where they were before. Throws InvalidMetadataError. */
export const applyUpdates = (
  metadata: Metadata,
  updates: readonly Update[],
  { file, now }: { readonly file: string; readonly now: number },
): Metadata => {
  const changed = updates.reduce(apply, { metadata, added: {} }).metadata
  const most = Math.max(1, Number(changed.properties['write.metadata.previous-versions-max'] ?? usualLog) || usualLog)
  const log = [...metadata['metadata-log'], { 'timestamp-ms': metadata['last-updated-ms'], 'metadata-file': file }]
  return { ...changed, 'last-updated-ms': now, 'metadata-log': log.slice(-most) }
}

/** Reads a commit as a client sends it. Throws InvalidMetadataError. */
export const parseCommit = (body: unknown): Commit => checked(CommitShape, body, 'The commit')
