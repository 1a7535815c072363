import { notImplemented } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

/** Everything that could refuse the call has been asked by now. Raises DryRunOperationException where only that was wanted. */
export const dryRun = ({ DryRun }: { readonly DryRun?: boolean | undefined }): void => {
  if (DryRun) throw fail('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
}

/** Attestation documents come from Nitro enclaves, which there are none of here. */
export const refuseRecipient = ({ Recipient }: { readonly Recipient?: unknown }): void => {
  if (Recipient !== undefined) throw notImplemented('answers for Nitro enclaves (Recipient)')
}
