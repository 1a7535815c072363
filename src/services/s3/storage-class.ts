import type { StorageClass } from '@aws-sdk/client-s3'
import { fail } from './operation.ts'
import type { ObjectFacts } from './versions.ts'

type Classed = Pick<ObjectFacts, 'storageClass'>

export const storageClassOf = ({ storageClass = 'STANDARD' }: Classed): StorageClass => storageClass as StorageClass

/** `x-amz-storage-class`: only for what is not STANDARD. */
export const toStorageClass = ({ storageClass }: Classed): { StorageClass?: StorageClass } =>
  storageClass === undefined || storageClass === 'STANDARD' ? {} : { StorageClass: storageClass as StorageClass }

const isArchived = ({ storageClass }: Classed): boolean => storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE'

/** Throws InvalidObjectState for an archived object: its bytes are not at hand until it is restored. */
export const checkReadable = (record: Classed): void => {
  if (isArchived(record))
    throw fail('InvalidObjectState', "The operation is not valid for the object's storage class", {
      StorageClass: record.storageClass,
    })
}
