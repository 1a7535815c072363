import type { EffectivePolicyType, EffectivePolicyValidationError } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { toAccount } from './accounts.ts'
import { attachedTo } from './attachments.ts'
import { asMember, asReader, isAdministrator } from './caller.ts'
import { readManagement } from './content.ts'
import { type Contributing, type Effective, effectivePolicy } from './management-policy.ts'
import { denied, fail, invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { type OrganizationRecord, Policies } from './records.ts'
import { chainTo, getMember, type Member, membersOf, pathOf } from './tree.ts'

type Computed = Effective & { readonly updated: number }

/** What all policies of this type make of an account; `undefined` where there is none, or the type is not enabled. */
const compute = async (
  tx: ReadTx,
  organization: OrganizationRecord,
  type: EffectivePolicyType,
  { id, joined }: Member,
): Promise<Computed | undefined> => {
  if (!organization.policyTypes.includes(type)) return undefined
  const levels: Contributing[][] = []
  let updated = 0
  for (const target of [...(await chainTo(tx, organization, joined.parent)), id]) {
    const level: Contributing[] = []
    for (const { policy, at } of await attachedTo(tx, target, type)) {
      const record = await tx.get(Policies, policy)
      if (!record) continue
      updated = Math.max(updated, at, record.updated)
      level.push({ id: policy, policy: readManagement(type, record.content) })
    }
    levels.push(level)
  }
  return updated === 0 ? undefined : { ...effectivePolicy(levels), updated }
}

const notFound = () =>
  fail('EffectivePolicyNotFoundException', 'The specified account does not have an effective policy of this type.')

/** Of any account for the management account and administrators; of its own for every other member. */
export const DescribeEffectivePolicy: Operation<'DescribeEffectivePolicy'> = (ctx, { PolicyType, TargetId }) =>
  ctx.read(async (tx) => {
    const { organization, account } = await asMember(tx, ctx)
    const target = TargetId ?? ctx.account
    if (!/^\d{12}$/.test(target))
      throw invalid('TARGET_NOT_SUPPORTED', 'You can only perform this operation on an account.')
    const mayAll = organization.management === ctx.account || organization.delegation || isAdministrator(account)
    if (target !== ctx.account && !mayAll) throw denied()
    const member = await getMember(tx, organization, target).catch(() => {
      throw fail('TargetNotFoundException', "You specified a target that doesn't exist.")
    })
    const computed = await compute(tx, organization, PolicyType, member)
    if (!computed) throw notFound()
    return {
      EffectivePolicy: {
        PolicyContent: JSON.stringify(computed.document),
        LastUpdatedTimestamp: new Date(computed.updated),
        TargetId: target,
        PolicyType,
      },
    }
  })

/** Rules a backup plan may have ("Backup policy syntax"). */
const mostRules = 10

const validate = (
  type: EffectivePolicyType,
  { document, contributors }: Effective,
): EffectivePolicyValidationError[] => {
  if (type !== 'BACKUP_POLICY') return []
  const plans = (document.plans ?? {}) as Readonly<Record<string, { readonly rules?: object }>>
  return Object.entries(plans).flatMap(([name, { rules = {} }]) =>
    Object.keys(rules).length <= mostRules
      ? []
      : [
          {
            ErrorCode: 'ELEMENTS_TOO_MANY',
            ErrorMessage: `"rules" exceeds the allowed maximum limit ${mostRules}`,
            PathToError: `plans/${name}/rules`,
            ContributingPolicies: contributors(['plans', name, 'rules']),
          },
        ],
  )
}

const checkEnabled = (organization: OrganizationRecord, type: EffectivePolicyType) => {
  if (!organization.policyTypes.includes(type)) throw notFound()
}

const errorsOf = async (
  ctx: Ctx,
  tx: ReadTx,
  type: EffectivePolicyType,
  account: string,
): Promise<{ organization: OrganizationRecord; member: Member; errors: EffectivePolicyValidationError[] }> => {
  const organization = await asReader(tx, ctx)
  const member = await getMember(tx, organization, account)
  const computed = await compute(tx, organization, type, member)
  if (!computed) throw notFound()
  return { organization, member, errors: validate(type, computed) }
}

export const ListEffectivePolicyValidationErrors: Operation<'ListEffectivePolicyValidationErrors'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { organization, member, errors } = await errorsOf(ctx, tx, input.PolicyType, input.AccountId)
    const { page, NextToken } = pageOf(errors, ({ PathToError = '' }) => PathToError, input)
    return {
      AccountId: member.id,
      PolicyType: input.PolicyType,
      Path: pathOf(organization, [...(await chainTo(tx, organization, member.joined.parent)), member.id]),
      EvaluationTimestamp: ctx.now(),
      EffectivePolicyValidationErrors: page,
      NextToken,
    }
  })

export const ListAccountsWithInvalidEffectivePolicy: Operation<'ListAccountsWithInvalidEffectivePolicy'> = (
  ctx,
  input,
) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    checkEnabled(organization, input.PolicyType)
    const invalidOnes: Member[] = []
    for (const member of await membersOf(tx, organization)) {
      const computed = await compute(tx, organization, input.PolicyType, member)
      if (computed && validate(input.PolicyType, computed).length > 0) invalidOnes.push(member)
    }
    const { page, NextToken } = pageOf(invalidOnes, ({ id }) => id, input)
    return {
      Accounts: await Promise.all(page.map((member) => toAccount(tx, organization, member))),
      PolicyType: input.PolicyType,
      NextToken,
    }
  })
