import { LRUCache } from 'lru-cache'
import { capability } from '../../kernel/capability.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { Attempt } from '../../kernel/identity.ts'
import type { Principal } from '../../kernel/principal.ts'
import { type Place, type ReadTx, table, type WriteTx } from '../../store/store.ts'

// Who last tried what, where and when (IAM user guide, "Refine permissions in AWS using last accessed information").

/** An identity's latest attempt at an action, allowed or not. */
export type AccessRecord = {
  /** Unique id of the user or role, the account's for root. */
  readonly entity: string
  /** `s3:CreateBucket` */
  readonly action: string
  readonly at: number
  readonly region: string
  /** Reported by action, and not only by service: management actions are. */
  readonly tracked: boolean
}
export const Accesses = table<AccessRecord>('iam.access', {
  scope: 'account',
  key: ({ entity, action }) => `${entity} ${action}`,
})

/** What users and roles did that are deleted since: it still counts for the account. */
const departed = '-'

export const serviceIn = (action: string): string => action.slice(0, action.indexOf(':'))

/** How far back AWS tells: 400 days. */
const trackingPeriod = 400 * 24 * 3600 * 1000

/** The attempts of one identity within the tracking period. */
export const accessesOf = async (tx: ReadTx, entity: string, now: Date): Promise<AccessRecord[]> =>
  recent(await tx.list(Accesses, { prefix: `${entity} ` }), now)

/** All attempts in an account within the tracking period. */
export const accessesIn = async (tx: ReadTx, now: Date, at: Place): Promise<AccessRecord[]> =>
  recent(await tx.list(Accesses, {}, at), now)

const recent = (records: readonly AccessRecord[], now: Date) =>
  records.filter(({ at }) => at > now.getTime() - trackingPeriod)

export const latest = <R extends { readonly at: number }>(records: readonly R[]): R | undefined =>
  records.reduce<R | undefined>((newest, record) => (newest && newest.at >= record.at ? newest : record), undefined)

/** To be called where a user or role is deleted. */
export const foldAccesses = async (tx: WriteTx, entity: string): Promise<void> => {
  for (const record of await tx.list(Accesses, { prefix: `${entity} ` })) {
    tx.delete(Accesses, Accesses.key(record))
    const folded = { ...record, entity: departed }
    const known = await tx.get(Accesses, Accesses.key(folded))
    if (!known || known.at < record.at) tx.put(Accesses, folded)
  }
}

export interface AccessNotes {
  /** Returns at once, writes later, and never throws. */
  note(principal: Principal, attempt: Attempt): void
  /** What was noted so far is in the rows, or lost for good. */
  written(): Promise<void>
}
export const accessNotes = capability<AccessNotes>('iam.accessNotes')

const entityOf = ({ kind, id }: Principal): string | undefined =>
  kind === 'user' || kind === 'root' ? id : kind === 'role' ? id.slice(0, id.indexOf(':')) : undefined

/** How exact the time is, and so how rarely a request writes. */
const step = 60_000

export const accessNotesProvider = (at: (place: Place) => Ctx): AccessNotes => {
  const ctx = at({ account: '', region: 'us-east-1' })
  const noted = new LRUCache<string, number>({ max: 10_000 })
  let waiting: { readonly account: string; readonly record: AccessRecord }[] = []
  let writing: Promise<void> | undefined
  const write = async () => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await ctx.write(async (tx) => {
        for (const { account, record } of batch) tx.put(Accesses, record, { account, region: 'us-east-1' })
      })
    }
  }
  return {
    note: (principal, { action, region, tracked }) => {
      const entity = entityOf(principal)
      if (entity === undefined) return
      const key = `${entity} ${action}`
      const now = ctx.now().getTime()
      const last = noted.get(key)
      if (last !== undefined && now - last < step) return
      noted.set(key, now)
      waiting.push({ account: principal.account, record: { entity, action, at: now, region, tracked } })
      // A note that a reset or the server's end overtakes is lost, and that is all.
      writing ??= write()
        .catch((error: unknown) => ctx.log.debug('last accessed: not noted', { error: String(error) }))
        .finally(() => {
          writing = undefined
        })
    },
    written: async () => {
      while (writing) await writing
    },
  }
}
