import type { Filed } from './filed-data.ts'

// Which files of a managed table are to be one: a table that is written to every minute would drown in them. A pure engine.

const DAY = 86_400_000
const dayOf = ({ newest }: Pick<Filed, 'newest'>): number => Math.floor(newest / DAY)

/** Rows that a merged file has at most. */
const mostRows = 5000
/** Files of the present day are merged by so many; those of days that are over, whenever there are several. */
const enough = 32

/** The first files, beside each other in the order of tags and of one day, that are to become one; none where all is well. */
export const filesToMerge = <F extends Pick<Filed, 'newest' | 'records'>>(
  files: readonly F[],
  now: number,
): readonly F[] => {
  const today = dayOf({ newest: now })
  let run: F[] = []
  let rows = 0
  const due = (): boolean => {
    const [first] = run
    return first !== undefined && run.length >= (dayOf(first) < today ? 2 : enough)
  }
  for (const file of files) {
    const [first] = run
    if (first && (dayOf(first) !== dayOf(file) || rows + file.records > mostRows)) {
      if (due()) return run
      run = []
      rows = 0
    }
    run.push(file)
    rows += file.records
  }
  return due() ? run : []
}
