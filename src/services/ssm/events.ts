import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { type ParameterRecord, parameterArn } from './parameter.ts'

type Change = 'Create' | 'Update' | 'Delete' | 'LabelParameterVersion'

const emit = (ctx: Ctx, tx: WriteTx, { name, current }: ParameterRecord, detailType: string, detail: object): void =>
  tx.emit({
    source: 'aws.ssm',
    'detail-type': detailType,
    account: ctx.account,
    region: ctx.region,
    resources: [parameterArn(ctx, name)],
    detail: { ...detail, name, type: current.type },
  })

/** "Parameter Store Change" ("Reference: Amazon EventBridge event patterns and types for Systems Manager"). */
export const changed = (ctx: Ctx, tx: WriteTx, parameter: ParameterRecord, operation: Change): void =>
  emit(ctx, tx, parameter, 'Parameter Store Change', {
    operation,
    ...(parameter.current.description === undefined ? {} : { description: parameter.current.description }),
  })

/** "Parameter Store Policy Action". */
export const policyActed = (ctx: Ctx, tx: WriteTx, parameter: ParameterRecord, policy: string, content: string): void =>
  emit(ctx, tx, parameter, 'Parameter Store Policy Action', {
    'parameter-name': parameter.name,
    'policy-type': policy,
    'policy-content': content,
    'parameter-type': parameter.current.type,
    'action-status': 'Success',
    'action-reason': `The ${policy} policy was carried out.`,
  })
