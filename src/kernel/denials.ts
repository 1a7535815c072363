import { explain } from '../policy/explain.ts'
import type {
  AccessRequest,
  Decision,
  MatchedStatement,
  PolicyExplanation,
  PolicyKind,
  RequestContext,
} from '../policy/policy.ts'
import type { Logger } from './context.ts'

/** How many denials are remembered. */
const MOST = 1_000

/** Why one request was denied: what AWS's sentence does not say. */
export type Denial = {
  readonly requestId: string
  readonly time: string
  readonly caller: string
  readonly action: string
  readonly resource: string
  readonly decision: 'explicitDeny' | 'implicitDeny'
  /** The kind of policy that denied, or that should have allowed and did not. */
  readonly decidedBy: PolicyKind
  /** The statements that denied; of an implicit denial those that allowed, which was not enough. */
  readonly statements: readonly MatchedStatement[]
  /** Names of the policies of the deciding kind that were looked at. */
  readonly policies: readonly string[]
  /** Keys that conditions asked for and the request did not carry. */
  readonly missingContext: readonly string[]
}

/** All there is to say: of every policy that took part each statement and what speaks against it, and what the request carried. */
export type ExplainedDenial = Denial & {
  readonly looked: readonly PolicyExplanation[]
  readonly context: RequestContext
}

/** Remembers the latest denials, and logs each of them. */
export type Denials = {
  note(requestId: string, time: Date, request: AccessRequest, decision: Decision): void
  /** What was denied during a request, in order. */
  of(requestId: string): readonly ExplainedDenial[]
  forget(): void
}

export const rememberDenials = (log: Logger, most = MOST): Denials => {
  let denials: { readonly denial: Denial; readonly request: AccessRequest }[] = []
  return {
    note: (requestId, time, request, decision) => {
      const denial = denialOf(requestId, time, request, decision)
      if (!denial) return
      const { time: _, statements, ...facts } = denial
      log.info('denied', { ...facts, statements: statements.map(statementName) })
      denials.push({ denial, request })
      if (denials.length >= 2 * most) denials = denials.slice(-most)
    },
    // Explained only when somebody asks: most denials nobody asks about.
    of: (requestId) =>
      denials
        .slice(-most)
        .filter(({ denial }) => denial.requestId === requestId)
        .map(({ denial, request }) => ({
          ...denial,
          looked: explain(request).policies,
          context: Object.fromEntries(Object.entries(request.context).toSorted(([a], [b]) => (a < b ? -1 : 1))),
        })),
    forget: () => {
      denials = []
    },
  }
}

const denialOf = (requestId: string, time: Date, request: AccessRequest, decision: Decision): Denial | undefined => {
  if (decision.decision === 'allowed') return undefined
  const decidedBy = decision.decidedBy ?? 'identity'
  const telling = decision.decision === 'explicitDeny' ? 'Deny' : 'Allow'
  return {
    requestId,
    time: time.toISOString(),
    caller: request.principal.arn,
    action: request.action,
    resource: request.resource,
    decision: decision.decision,
    decidedBy,
    statements: decision.matched.filter(({ effect }) => effect === telling),
    policies: [...new Set(request.policies.filter(({ kind }) => kind === decidedBy).map(({ id }) => id))],
    missingContext: decision.missingContext,
  }
}

/** A statement as people find it: its policy, its number counted from one, its Sid. */
export const statementName = ({ id, index, sid }: MatchedStatement): string =>
  `${id} statement ${index + 1}${sid === undefined ? '' : ` (${sid})`}`
