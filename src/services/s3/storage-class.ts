import type { StorageClass } from '@aws-sdk/client-s3'
import { fail } from './operation.ts'
import type { ObjectFacts } from './versions.ts'

type Classed = {
  readonly storageClass?: string | undefined
  readonly archive?: ObjectFacts['archive']
  readonly restore?: ObjectFacts['restore']
}

/** What objects of general purpose buckets may be put into. */
const classes = [
  ...['STANDARD', 'REDUCED_REDUNDANCY', 'STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING'],
  ...['GLACIER', 'DEEP_ARCHIVE', 'GLACIER_IR'],
]

export const isStorageClass = (name: unknown): boolean => typeof name === 'string' && classes.includes(name)

/** For records: nothing for STANDARD. */
export const withStorageClass = (name: string | undefined): { storageClass?: string } =>
  name === undefined || name === 'STANDARD' ? {} : { storageClass: name }

export const storageClassOf = ({ storageClass = 'STANDARD' }: Classed): StorageClass => storageClass as StorageClass

/** `x-amz-storage-class`: only for what is not STANDARD. */
export const toStorageClass = ({ storageClass }: Classed): { StorageClass?: StorageClass } =>
  storageClass === undefined || storageClass === 'STANDARD' ? {} : { StorageClass: storageClass as StorageClass }

/** Where an object is whose bytes are not at hand: a class, or a tier of INTELLIGENT_TIERING. */
export const archiveOf = ({ storageClass, archive }: Classed): string | undefined =>
  storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' ? storageClass : archive

export const isArchived = (record: Classed): boolean => archiveOf(record) !== undefined

/** `x-amz-archive-status`. */
export const toArchiveStatus = ({ archive }: Classed) => (archive ? { ArchiveStatus: archive } : {})

/** `x-amz-restore`: how far an archived object is on its way back. */
export const toRestore = ({ restore }: Classed): { Restore?: string } => {
  if (!restore) return {}
  if (restore.expires === undefined) return { Restore: 'ongoing-request="true"' }
  return { Restore: `ongoing-request="false", expiry-date="${new Date(restore.expires).toUTCString()}"` }
}

/** The same as an element of listings that ask for it. */
export const toRestoreStatus = ({ restore }: Classed) =>
  restore
    ? {
        RestoreStatus: {
          IsRestoreInProgress: restore.expires === undefined,
          ...(restore.expires === undefined ? {} : { RestoreExpiryDate: new Date(restore.expires) }),
        },
      }
    : {}

/** Throws InvalidObjectState for an archived object: its bytes are not at hand until it is restored. */
export const checkReadable = (record: Classed): void => {
  if (isArchived(record) && record.restore?.expires === undefined)
    throw fail('InvalidObjectState', "The operation is not valid for the object's storage class", {
      StorageClass: record.storageClass,
      AccessTier: record.archive,
    })
}
