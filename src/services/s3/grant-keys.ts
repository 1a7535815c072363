import type { Keys } from './request-keys.ts'

// Condition keys of the headers that set an access control list.

export type Granting = {
  ACL?: string | undefined
  GrantFullControl?: string | undefined
  GrantRead?: string | undefined
  GrantReadACP?: string | undefined
  GrantWrite?: string | undefined
  GrantWriteACP?: string | undefined
}
export const grantKeys = (input: Granting): Keys => ({
  's3:x-amz-acl': input.ACL,
  's3:x-amz-grant-full-control': input.GrantFullControl,
  's3:x-amz-grant-read': input.GrantRead,
  's3:x-amz-grant-read-acp': input.GrantReadACP,
  's3:x-amz-grant-write': input.GrantWrite,
  's3:x-amz-grant-write-acp': input.GrantWriteACP,
})
export const grants = (input: Granting): boolean => Object.values(grantKeys(input)).some((value) => value !== undefined)
