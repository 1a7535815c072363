// Which transactions got in each other's way: commits are numbered, and those that an open transaction may have missed
// are remembered by what they touched.

/** A list that a transaction read: any row that comes into it, changes in it or leaves it makes the list untrue. */
export type ListRead = {
  /** Table and place. */
  readonly home: string
  readonly index: string | undefined
  readonly equals: string | undefined
  readonly prefix: string | undefined
}

export type Reads = {
  /** Number of the last commit before it began. */
  readonly began: number
  readonly keys: Set<string>
  readonly lists: ListRead[]
}

/** A row that a commit wrote or deleted, with its index values before and after. */
export type Touch = {
  readonly id: string
  readonly home: string
  readonly key: string
  readonly before: Readonly<Record<string, string>>
  readonly after: Readonly<Record<string, string>>
}

const matches = (value: string | undefined, { equals, prefix }: ListRead): boolean =>
  value !== undefined &&
  (equals === undefined || value === equals) &&
  (prefix === undefined || value.startsWith(prefix))

/** Limits and starting points of lists are not looked at: a list conflicts rather too often than once too seldom. */
const touches = (touch: Touch, list: ListRead): boolean => {
  if (touch.home !== list.home) return false
  if (list.index === undefined) return matches(touch.key, list)
  return matches(touch.before[list.index], list) || matches(touch.after[list.index], list)
}

export const conflictLog = () => {
  let last = 0
  /** Commits `floor + 1` to `last`. */
  let log: (readonly Touch[])[] = []
  let floor = 0
  const open = new Map<number, number>()

  return {
    begin(): number {
      open.set(last, (open.get(last) ?? 0) + 1)
      return last
    },
    end(began: number) {
      const count = open.get(began)! - 1
      if (count > 0) open.set(began, count)
      else open.delete(began)
      if (open.size > 0) return
      log = []
      floor = last
    },
    committed(touched: readonly Touch[]) {
      last += 1
      log.push(touched)
      // A transaction that stays open for so long runs again.
      if (log.length <= 8192) return
      log = log.slice(4096)
      floor += 4096
    },
    /** Everything has changed: whoever is open runs again. */
    everything() {
      last += 1
      log = []
      floor = last
    },
    /** Whether everything this transaction read is still as it was when it began. */
    holds({ began, keys, lists }: Reads): boolean {
      if (began === last) return true
      if (keys.size === 0 && lists.length === 0) return true
      if (began < floor) return false
      for (let commit = began - floor; commit < log.length; commit++)
        for (const touch of log[commit]!) {
          if (keys.has(touch.id)) return false
          for (const list of lists) if (touches(touch, list)) return false
        }
      return true
    },
  }
}
