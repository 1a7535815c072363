import { table } from '../../store/store.ts'
import type { DataFile } from './iceberg/manifest.ts'

/** A data file of a managed table, in its current snapshot. `newest`: time of its newest row in epoch milliseconds. */
export type Filed = Omit<DataFile, 'snapshot' | 'sequence'> & {
  readonly table: string
  readonly tag: string
  readonly newest: number
  /** Whole numbers of 64 bits, as texts. */
  readonly snapshot: string
  readonly sequence: string
}
export const FiledData = table<Filed>('s3tables.data-file', {
  scope: 'global',
  key: ({ table, tag, path }) => `${table}\0${tag}\0${path}`,
})
