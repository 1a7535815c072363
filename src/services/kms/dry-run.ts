import type { RecipientInfo } from '@aws-sdk/client-kms'
import { notImplemented } from '../../kernel/errors.ts'
import { invalidInput } from './invalid-input.ts'
import { fail } from './operation.ts'

/** Everything that could refuse the call has been asked by now. Raises DryRunOperationException where only that was wanted. */
export const dryRun = ({ DryRun }: { readonly DryRun?: boolean | undefined }): void => {
  if (DryRun) throw fail('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
}

type Modified = {
  readonly DryRun?: boolean | undefined
  readonly DryRunModifiers?: readonly string[] | undefined
}

/** Whether rights alone are tried, without a ciphertext ("Testing your permissions", KMS developer guide). */
export const ignoresCiphertext = ({ DryRun, DryRunModifiers }: Modified): boolean =>
  DryRun === true && DryRunModifiers?.includes('IGNORE_CIPHERTEXT') === true

/** Raises ValidationException: modifiers are of a dry run. */
export const checkModifiers = ({ DryRun, DryRunModifiers }: Modified): void => {
  if (DryRunModifiers?.length && !DryRun) throw invalidInput('DryRunModifiers needs DryRun.')
}

/**
 * An attestation document is a COSE_Sign1 message (RFC 9052: an array of four, perhaps with tag 18) that a Nitro enclave or
 * NitroTPM had signed under AWS's root. What is none is the caller's error; one that may be is not looked at further.
 */
export const refuseRecipient = ({ Recipient }: { readonly Recipient?: RecipientInfo | undefined }): void => {
  if (!Recipient) return
  const { AttestationDocument: document, KeyEncryptionAlgorithm: algorithm } = Recipient
  if (!document || algorithm === undefined)
    throw invalidInput('Recipient needs an AttestationDocument and a KeyEncryptionAlgorithm.')
  if (document[document[0] === 0xd2 ? 1 : 0] !== 0x84) throw invalidInput('The attestation document is invalid.')
  throw notImplemented('answers for Nitro enclaves (Recipient)')
}
