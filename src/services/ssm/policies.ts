import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { changed, policyActed } from './events.ts'
import { fail } from './operation.ts'
import {
  keyOfVersion,
  Parameter,
  type ParameterRecord,
  ParameterVersion,
  type PolicyRecord,
  versionsOf,
} from './parameter.ts'

// "Assigning parameter policies in Parameter Store", Systems Manager user guide.

const HOUR = 3_600_000
const MOST = 10

type Parsed = {
  readonly Type: PolicyRecord['type']
  readonly Version: string
  readonly Attributes: {
    readonly Timestamp?: string
    readonly Before?: string
    readonly After?: string
    readonly Unit?: string
  }
}

const unitOf = (unit: string | undefined): number | undefined =>
  unit === 'Days' ? 24 * HOUR : unit === 'Hours' ? HOUR : undefined

/** When a policy acts, in epoch milliseconds; `expires`: when the parameter does. Absent for what is no policy. */
const dueOf = ({ Type, Attributes }: Parsed, modified: number, expires: number | undefined): number | undefined => {
  const unit = unitOf(Attributes.Unit)
  if (Type === 'Expiration') return Date.parse(Attributes.Timestamp ?? '') || undefined
  if (unit === undefined) return undefined
  if (Type === 'ExpirationNotification')
    return expires === undefined ? undefined : expires - Number(Attributes.Before) * unit
  return modified + Number(Attributes.After) * unit
}

const invalid = (message: string) => fail('InvalidPolicyAttributeException', message)

const read = (value: unknown): Parsed => {
  const policy = value as Partial<Parsed> | null
  const type = policy?.Type
  if (type !== 'Expiration' && type !== 'ExpirationNotification' && type !== 'NoChangeNotification')
    throw fail('InvalidPolicyTypeException', `The policy type ${String(type)} is not supported.`)
  if (policy?.Version !== '1.0' || typeof policy.Attributes !== 'object' || policy.Attributes === null)
    throw invalid(`A policy attribute or its value is invalid: ${type}.`)
  return policy as Parsed
}

/** The policies of a request, checked. Raises InvalidPolicyTypeException, InvalidPolicyAttributeException, IncompatiblePolicyException, PoliciesLimitExceededException. */
export const parsePolicies = (text: string | undefined, now: number): readonly PolicyRecord[] => {
  if (text === undefined || text.trim() === '' || text.trim() === '{}') return []
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    throw invalid('The policies are not a JSON array.')
  }
  if (!Array.isArray(list)) throw invalid('The policies are not a JSON array.')
  if (list.length > MOST)
    throw fail(
      'PoliciesLimitExceededException',
      `You specified more than the maximum number of allowed policies for the parameter. The maximum is ${MOST}.`,
    )
  // An empty one takes away those that are there.
  if (list.length === 1 && JSON.stringify(list) === '[{}]') return []
  const parsed = list.map(read)
  const expirations = parsed.filter(({ Type }) => Type === 'Expiration')
  if (expirations.length > 1)
    throw fail(
      'IncompatiblePolicyException',
      'There is a conflict in the policies specified for this parameter. You cannot specify two Expiration policies for a parameter.',
    )
  const [expiration] = expirations
  const expires = expiration && dueOf(expiration, now, undefined)
  if (expiration && (expires === undefined || expires <= now))
    throw invalid('The Expiration policy needs a Timestamp in the future.')
  for (const policy of parsed) {
    if (policy.Type === 'ExpirationNotification' && expires === undefined)
      throw fail('IncompatiblePolicyException', 'An ExpirationNotification policy needs an Expiration policy.')
    if (!Number.isFinite(dueOf(policy, now, expires)))
      throw invalid(`A policy attribute or its value is invalid: ${policy.Type}.`)
  }
  return parsed.map((policy) => ({ type: policy.Type, text: JSON.stringify(policy), done: false }))
}

const duesOf = ({ current }: ParameterRecord): { policy: PolicyRecord; due: number }[] => {
  const parsed = current.policies.map((policy) => ({ policy, read: JSON.parse(policy.text) as Parsed }))
  const expiration = parsed.find(({ policy }) => policy.type === 'Expiration')
  const expires = expiration && dueOf(expiration.read, current.modified, undefined)
  return parsed.flatMap(({ policy, read: one }) => {
    const due = policy.done ? undefined : dueOf(one, current.modified, expires)
    return due === undefined ? [] : [{ policy, due }]
  })
}

/** Has the policies looked after when the first of them is due. */
export const wakeFor = (ctx: Pick<Ctx, 'now'>, tx: WriteTx, parameter: ParameterRecord): void => {
  const dues = duesOf(parameter).map(({ due }) => due)
  if (dues.length > 0)
    tx.wake('ssm.policies', parameter.name, { in: Math.max(0, Math.min(...dues) - ctx.now().getTime()) })
}

export const deleteParameter = async (ctx: Ctx, tx: WriteTx, parameter: ParameterRecord): Promise<void> => {
  tx.delete(Parameter, parameter.name)
  for (const version of await versionsOf(tx, parameter.name)) tx.delete(ParameterVersion, keyOfVersion(version))
  changed(ctx, tx, parameter, 'Delete')
}

/** Tells of parameters that expire soon or have not changed, and deletes expired ones, when the clock says so. */
export const policies: Reconciler = {
  name: 'ssm.policies',
  step: (ctx, name) =>
    ctx.write(async (tx) => {
      const parameter = await tx.get(Parameter, name)
      if (!parameter) return done()
      const now = ctx.now().getTime()
      const due = duesOf(parameter).filter((one) => one.due <= now)
      for (const { policy } of due) policyActed(ctx, tx, parameter, policy.type, policy.text)
      if (due.some(({ policy }) => policy.type === 'Expiration')) {
        await deleteParameter(ctx, tx, parameter)
        return done()
      }
      const acted = due.map(({ policy }) => policy)
      const list = parameter.current.policies.map((policy) =>
        acted.includes(policy) ? { ...policy, done: true } : policy,
      )
      const next = tx.put(Parameter, { ...parameter, current: { ...parameter.current, policies: list } })
      const later = duesOf(next).map((one) => one.due)
      return later.length > 0 ? again({ in: Math.max(0, Math.min(...later) - now) }) : done()
    }),
}
