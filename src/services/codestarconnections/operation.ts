import type { Ctx } from '../../kernel/context.ts'
import { AwsError, errorsOf } from '../../kernel/errors.ts'
import type { Operation as KernelOperation } from '../../kernel/service.ts'
import type { OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-codestar-connections')
export type Operation<O extends OperationName<NS>> = KernelOperation<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>

export const fail = errorsOf<NS>()
export const invalid = (message: string) => new AwsError('ValidationException', message, { status: 400 })

/**
 * The service has two names, each with ARNs and IAM actions of its own: a client of `codeconnections` makes resources of
 * that name, and both see all ("Connections rename", Developer Tools console user guide).
 */
export const prefixOf = ({ request }: Pick<Ctx, 'request'>): string =>
  /\.CodeConnections_\d+\./.test(request.headers['x-amz-target'] ?? '') ? 'codeconnections' : 'codestar-connections'

export const newArn = (ctx: Ctx, kind: 'connection' | 'host', id: string): string =>
  `arn:aws:${prefixOf(ctx)}:${ctx.region}:${ctx.account}:${kind}/${id}`
