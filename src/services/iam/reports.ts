import type { Table, WriteTx } from '../../store/store.ts'

type Report = { readonly id: string; readonly created: number }

/** The index `created` of a table of reports. */
export const byAge = ({ created }: Report): string => String(created).padStart(16, '0')

/** Reports are for reading soon: those older than a week make way. */
const kept = 7 * 24 * 3600 * 1000

export const dropOld = async <R extends Report>(tx: WriteTx, reports: Table<R>, now: Date): Promise<void> => {
  for (const { id, created } of await tx.list(reports, { index: 'created', limit: 100 }))
    if (created < now.getTime() - kept) tx.delete(reports, id)
}
