import type { ObjectFacts } from './versions.ts'

// The access tiers of INTELLIGENT_TIERING ("How S3 Intelligent-Tiering works", S3 user guide). A pure engine.

export type ArchiveTier = 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS'
export type AccessTier = 'FREQUENT' | 'INFREQUENT' | 'ARCHIVE_INSTANT_ACCESS' | ArchiveTier

type Tiered = Pick<ObjectFacts, 'storageClass' | 'archive' | 'accessed' | 'size'> & { readonly modified: number }

const DAY = 86_400_000
/** Smaller objects are not watched, and stay in the frequent tier. */
const smallest = 128 * 1024

export const isTiered = ({ storageClass }: Pick<Tiered, 'storageClass'>): boolean =>
  storageClass === 'INTELLIGENT_TIERING'

export const isMonitored = (record: Tiered): boolean => isTiered(record) && record.size >= smallest

/** When an object was last asked for, as far as its tiers go by it; epoch milliseconds. */
export const referenceOf = ({ accessed, modified }: Pick<Tiered, 'accessed' | 'modified'>): number =>
  Math.max(accessed ?? 0, modified)

const idleDays = (record: Tiered, now: number): number => Math.floor((now - referenceOf(record)) / DAY)

/** Where an object of the class is: by the days nobody asked for it, unless it was archived. */
export const accessTierOf = (record: Tiered, now: number): AccessTier | undefined => {
  if (!isTiered(record)) return undefined
  if (record.archive) return record.archive
  const days = isMonitored(record) ? idleDays(record, now) : 0
  return days >= 90 ? 'ARCHIVE_INSTANT_ACCESS' : days >= 30 ? 'INFREQUENT' : 'FREQUENT'
}

export type Tiering = { readonly tier: ArchiveTier; readonly days: number }

/** The archive tier that an object is due in, where it is not there yet. */
export const archiveDue = (record: Tiered, tierings: readonly Tiering[], now: number): ArchiveTier | undefined => {
  if (!isMonitored(record) || record.archive === 'DEEP_ARCHIVE_ACCESS') return undefined
  const days = idleDays(record, now)
  const due = (tier: ArchiveTier): boolean => tierings.some((each) => each.tier === tier && days >= each.days)
  if (due('DEEP_ARCHIVE_ACCESS')) return 'DEEP_ARCHIVE_ACCESS'
  return record.archive === undefined && due('ARCHIVE_ACCESS') ? 'ARCHIVE_ACCESS' : undefined
}

/** An access is noted when the last one noted is a day old: tiers go by days. */
export const isNoteworthy = (record: Tiered, now: number): boolean => isMonitored(record) && idleDays(record, now) >= 1
