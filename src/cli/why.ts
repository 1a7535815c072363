import { type Denial, statementName } from '../kernel/denials.ts'
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
    denials: Denial[]
  }
  console.log(options.json ? JSON.stringify(found.denials, null, 2) : found.denials.map(explain).join('\n\n'))
}

/** A denial in words, for people. */
export const explain = (denial: Denial): string => {
  const { caller, action, resource, time, decidedBy, statements, policies, missingContext } = denial
  const kind = kinds[decidedBy]
  const lines = [`${caller}`, `was denied ${action} on ${resource} at ${time}`]
  if (denial.decision === 'explicitDeny') {
    lines.push('because it is denied by')
    for (const statement of statements) lines.push(`  ${kinds[statement.kind]} ${statementName(statement)}`)
  } else {
    lines.push(
      policies.length > 0 ? `because no ${kind} allows it; looked at` : `because there is no ${kind} that allows it`,
    )
    for (const policy of policies) lines.push(`  ${policy}`)
    if (statements.length > 0) lines.push('not enough by itself that it is allowed by')
    for (const statement of statements) lines.push(`  ${kinds[statement.kind]} ${statementName(statement)}`)
  }
  if (missingContext.length > 0)
    lines.push(`conditions asked for what the request did not carry: ${missingContext.join(', ')}`)
  return lines.join('\n')
}
