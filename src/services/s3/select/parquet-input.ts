import { type Binding, isSame } from './evaluate.ts'
import { failure } from './failure.ts'
import { longestRecord, type Scan } from './lines.ts'
import {
  type Cell,
  type Cells,
  type Field,
  openColumn,
  openParquet,
  type RowGroup,
  type Source,
  type Taken,
} from './parquet-file.ts'
import { type Result, type Running, startQuery } from './query.ts'
import type { Query } from './syntax.ts'
import type { Value } from './value.ts'

// A query over an object of Parquet ("SelectObjectContent", S3 API reference). Fields are named as the schema names them, down
// to those that Parquet puts into a list.

/** The values of a row, in the order in which the query came to name their columns. */
type Row = readonly Value[]

/** What is asked for is put into `wanted`. */
const bindingOf = (fields: readonly Field[], wanted: Field[]): Binding<Row> => {
  const askedOf = (field: Field): ((row: Row) => Value) => {
    const index = wanted.indexOf(field)
    const place = index < 0 ? wanted.push(field) - 1 : index
    return (row) => row[place] ?? null
  }
  return {
    whole: () => {
      const members = fields.map((field) => [field.name, askedOf(field)] as const)
      return (row) => ({ kind: 'struct', fields: members.map(([name, of]) => [name, of(row)]) })
    },
    field: (name) => {
      const [found, other] = fields.filter((field) => isSame(name, field.name))
      if (!found) throw failure('EvaluatorBindingDoesNotExist')
      if (other) throw failure('AmbiguousFieldName')
      return askedOf(found)
    },
  }
}

const leavesOf = (field: Field): readonly Field[] =>
  field.column >= 0 ? [field] : field.children.flatMap((child) => leavesOf(child))

/** Any column of a field tells whether the field is there. */
const anyLeaf = (field: Field): Field | undefined => {
  if (field.column >= 0) return field
  for (const child of field.children) {
    const found = anyLeaf(child)
    if (found) return found
  }
  return undefined
}

/** A field's value, made of what its columns have in a row. */
const assemble = (field: Field, cells: ReadonlyMap<Field, Cell>): Value => {
  if (field.column >= 0) return cells.get(field)?.value ?? null
  const leaf = anyLeaf(field)
  if (!leaf || (cells.get(leaf)?.defined ?? 0) < field.defined) return null
  return { kind: 'struct', fields: field.children.map((child) => [child.name, assemble(child, cells)]) }
}

/** Reads a field's values row by row. */
const fieldReader = (
  field: Field,
  { columns }: RowGroup,
  open: (leaf: Field, chunk: RowGroup['columns'][number]) => Cells,
): (() => Value | Promise<Value>) => {
  const leaves = leavesOf(field).map((leaf) => ({ leaf, take: open(leaf, columns[leaf.column]) }))
  const [only] = leaves
  if (only?.leaf === field)
    return () => {
      const cell = only.take()
      return cell instanceof Promise ? cell.then(({ value }) => value) : cell.value
    }
  return async () => {
    const cells = new Map<Field, Cell>()
    for (const { leaf, take } of leaves) cells.set(leaf, await take())
    return assemble(field, cells)
  }
}

/** How many columns may be read beside each other. */
const mostColumns = 10_000
/** Rows that are made between two looks at who else waits. */
const rowsAtOnce = 256

async function* rowsOf(group: RowGroup, wanted: readonly Field[], source: Source, taken: Taken) {
  taken.held = 0
  const columns = wanted.flatMap(leavesOf).length
  if (columns > mostColumns) throw failure('OverMaxColumn')
  const open = (leaf: Field, chunk: RowGroup['columns'][number]) => openColumn(leaf, chunk, source, taken, columns)
  const readers = wanted.map((field) => fieldReader(field, group, open))
  for (let left = group.rows; left > 0; ) {
    const rows: Row[] = []
    for (let size = 0; left > 0 && rows.length < rowsAtOnce && size < longestRecord; left -= 1) {
      const row: Value[] = []
      for (const read of readers) {
        const found = read()
        const value = found instanceof Promise ? await found : found
        size += typeof value === 'string' ? value.length : 8
        row.push(value)
      }
      rows.push(row)
    }
    yield rows
  }
}

function* resultsOf(rows: readonly Row[], running: Running<Row>): Generator<Result | undefined> {
  for (const row of rows) {
    yield running.row(row)
    if (running.isFull()) return
  }
}

/**
 * The rows of a query's object in turn, each with the result it gave; with a scan, those of the row groups that begin in it.
 * Throws ParquetParsingError, OverMaxParquetBlockSize, ParquetUnsupportedCompressionCodec, UnsupportedParquetType,
 * OverMaxColumn, InvalidKeyPath, and what `startQuery` throws.
 */
export async function* selectParquet(
  query: Query,
  now: Date,
  source: Source,
  taken: Taken,
  scan: Scan | undefined,
): AsyncGenerator<Iterable<Result | undefined>, undefined> {
  // Paths into the object are for JSON.
  if (query.from && query.from.length > 0) throw failure('InvalidKeyPath')
  const { fields, groups } = await openParquet(source, taken)
  const wanted: Field[] = []
  const running = startQuery(query, bindingOf(fields, wanted), now)
  for (const group of groups) {
    if (running.isFull()) break
    if (scan && (group.start < scan.start || group.start > scan.end)) continue
    for await (const rows of rowsOf(group, wanted, source, taken)) {
      yield resultsOf(rows, running)
      if (running.isFull()) break
    }
  }
  yield [running.last()]
}
