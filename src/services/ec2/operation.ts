import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-ec2')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>

/** EC2's errors are not modelled: a code and a sentence, status 400 ("Error codes for the Amazon EC2 API"). */
export const fail = (code: string, message: string): AwsError => new AwsError(code, message)

/** A resource id: prefix, hyphen, 17 hexadecimal digits. */
export const newId = (ctx: Ctx, prefix: string): string => `${prefix}-${ctx.random(17)}`

/** Throws DryRunOperation where the caller only asked whether he may: he may, for authorization has passed. */
export const dryRun = (input: { readonly DryRun?: boolean | undefined }): void => {
  if (input.DryRun)
    throw new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', { status: 412 })
}

/** A read that answers DryRunOperation where the caller only asked whether he may. */
export const orDryRun =
  <I extends { readonly DryRun?: boolean | undefined }, O>(read: (ctx: Ctx, input: I) => O) =>
  (ctx: Ctx, input: I): O => {
    dryRun(input)
    return read(ctx, input)
  }
