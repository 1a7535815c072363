import { type Denial, type ExplainedDenial, statementName } from '../kernel/denials.ts'
import type { Mismatch, PolicyExplanation, StatementExplanation } from '../policy/policy.ts'
import { type ConnectionOptions, callServer } from './connection.ts'

const kinds: Readonly<Record<Denial['decidedBy'], string>> = {
  identity: 'identity-based policy',
  resource: 'resource-based policy',
  boundary: 'permissions boundary',
  session: 'session policy',
  'service-control': 'service control policy',
  'resource-control': 'resource control policy',
}

/** `drydock why REQUEST-ID`: which statement denied a request, or which permission it lacked. */
export const why = async (requestId: string, options: ConnectionOptions & { json?: boolean }): Promise<void> => {
  const found = (await callServer(options, 'GET', `/_drydock/why/${encodeURIComponent(requestId)}`)) as {
    denials: ExplainedDenial[]
  }
  console.log(options.json ? JSON.stringify(found.denials, null, 2) : found.denials.map(explain).join('\n\n'))
}

/** A list as people read it, and no longer than they read. */
const some = (values: readonly string[]): string =>
  values.length > 4 ? `${values.slice(0, 4).join(', ')} and ${values.length - 4} more` : values.join(', ')

const mismatchText = (mismatch: Mismatch): string => {
  const { element, wanted } = mismatch
  if (element === 'Condition') {
    const { operator, key, given } = mismatch
    return `${operator} ${key}: ${some(wanted)}, where the request ${given ? `has ${some(given)}` : 'has none'}`
  }
  const excepts = element.startsWith('Not')
  return `${element} is ${some(wanted) || 'missing'}, which ${excepts ? 'excepts' : 'is not'} ${mismatch.given}`
}

/** Statements about the action that would have allowed it, but for something: those about other actions are counted only. */
const nearMisses = ({ statements }: PolicyExplanation): string[] => {
  const allows = statements.filter(({ effect, mismatches }) => effect === 'Allow' && mismatches.length > 0)
  const aboutAction = ({ mismatches }: StatementExplanation) =>
    !mismatches.some(({ element }) => element === 'Action' || element === 'NotAction')
  return allows
    .filter(aboutAction)
    .map(
      ({ index, sid, mismatches }) =>
        `    statement ${index + 1}${sid === undefined ? '' : ` (${sid})`} does not apply: ${mismatches.map(mismatchText).join('; ')}`,
    )
}

/** A denial in words, for people. */
export const explain = (denial: ExplainedDenial): string => {
  const { caller, action, resource, time, decidedBy, statements, policies, missingContext, looked, context } = denial
  const kind = kinds[decidedBy]
  const lines = [`${caller}`, `was denied ${action} on ${resource} at ${time}`]
  if (denial.decision === 'explicitDeny') {
    lines.push('because it is denied by')
    for (const statement of statements) lines.push(`  ${kinds[statement.kind]} ${statementName(statement)}`)
  } else {
    lines.push(
      policies.length > 0 ? `because no ${kind} allows it; looked at` : `because there is no ${kind} that allows it`,
    )
    for (const policy of looked)
      if (policy.kind === decidedBy && policies.includes(policy.id))
        lines.push(`  ${policy.id}${policy.level ? ` at ${policy.level}` : ''}`, ...nearMisses(policy))
    if (statements.length > 0) lines.push('not enough by itself that it is allowed by')
    for (const statement of statements) lines.push(`  ${kinds[statement.kind]} ${statementName(statement)}`)
  }
  if (missingContext.length > 0)
    lines.push(`conditions asked for what the request did not carry: ${missingContext.join(', ')}`)
  const others = looked.filter(({ kind }) => kind !== decidedBy)
  if (others.length > 0) {
    lines.push('took part as well')
    for (const { kind, id, level } of others) lines.push(`  ${kinds[kind]} ${id}${level ? ` at ${level}` : ''}`)
  }
  lines.push('the request carried')
  for (const [key, values] of Object.entries(context)) lines.push(`  ${key}: ${values.join(', ')}`)
  return lines.join('\n')
}
