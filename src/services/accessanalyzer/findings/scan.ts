import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { done, type Reconciler } from '../../../work/reconciler.ts'
import { type Analyzer, Analyzers, isInternal, isOrganization, isUnused } from '../analyzer.ts'
import { isArchivedBy, rulesOf } from '../archive-rules.ts'
import { ensureLinkedRole, rootOf } from '../linked-role.ts'
import { accountsOf, type Look, lookAtAll, toFindings } from './external.ts'
import { AnalyzedResources, type Finding, findingsOf } from './finding.ts'
import { lookInside } from './internal.ts'
import { dropFinding, keepFinding } from './keeping.ts'
import { unusedFindings } from './unused.ts'

// An analyzer's look at everything, and what becomes of findings that were there before.

/** Resolved findings go after 90 days ("Resolve findings"). */
const KEPT = 90 * 86_400_000

const sameContent = (a: Finding, b: Finding): boolean =>
  JSON.stringify([a.external, a.internal, a.unused, a.error]) ===
  JSON.stringify([b.external, b.internal, b.unused, b.error])

/**
 * Keeps what was found, resolves what is no longer there. `covers` says which earlier findings this look was about.
 * New findings pass the archive rules; an archived one stays archived while its cause is there.
 */
export const settleFindings = (
  ctx: Ctx,
  analyzer: Pick<Analyzer, 'arn'>,
  present: readonly Finding[],
  covers: (finding: Finding) => boolean = () => true,
): Promise<void> =>
  ctx.write(async (tx) => {
    if (!(await tx.get(Analyzers, analyzer.arn))) return
    const now = ctx.now().getTime()
    const rules = await rulesOf(tx, analyzer.arn)
    const before = new Map((await findingsOf(tx, analyzer.arn)).map((finding) => [finding.id, finding]))
    const fresh = (finding: Finding): Finding =>
      isArchivedBy(rules, finding) ? { ...finding, status: 'ARCHIVED' } : finding
    for (const finding of present) {
      const known = before.get(finding.id)
      before.delete(finding.id)
      if (!known) keepFinding(tx, fresh(finding))
      else if (known.status === 'RESOLVED') keepFinding(tx, fresh({ ...finding, created: known.created }), known)
      else {
        const updated = sameContent(known, finding) ? known.updated : now
        keepFinding(tx, { ...finding, status: known.status, created: known.created, updated }, known)
      }
    }
    for (const gone of before.values()) {
      if (!covers(gone)) continue
      if (gone.status !== 'RESOLVED')
        keepFinding(tx, { ...gone, status: 'RESOLVED', updated: now, analyzed: now }, gone)
      else if (now - gone.updated > KEPT) dropFinding(tx, gone)
    }
  })

const noteLooks = (
  ctx: Ctx,
  analyzer: Analyzer,
  looks: readonly Omit<Look, 'found'>[],
  whole: boolean,
): Promise<void> =>
  ctx.write(async (tx) => {
    const present = await tx.get(Analyzers, analyzer.arn)
    if (!present) return
    const now = ctx.now().getTime()
    const before = new Map(
      (await tx.list(AnalyzedResources, { prefix: `${analyzer.arn} ` })).map((one) => [one.resource, one]),
    )
    for (const { resource, resourceType, owner } of looks) {
      const known = before.get(resource)
      before.delete(resource)
      tx.put(AnalyzedResources, {
        analyzer: analyzer.arn,
        resource,
        resourceType,
        owner,
        created: known?.created ?? now,
        updated: known?.updated ?? now,
        analyzed: now,
      })
    }
    if (whole) for (const gone of before.values()) tx.delete(AnalyzedResources, AnalyzedResources.key(gone))
    const last = looks.at(-1)
    if (last) tx.put(Analyzers, { ...present, last: { resource: last.resource, at: now } })
  })

/** Looks at all resources, or only at one, and settles the findings about them. Whether that one was there. */
export const scanExternal = async (ctx: Ctx, analyzer: Analyzer, only?: string): Promise<boolean> => {
  if (isOrganization(analyzer))
    for (const account of await accountsOf(ctx, analyzer)) await ensureLinkedRole(ctx, rootOf(account), account)
  const looks = await lookAtAll(ctx, analyzer, only)
  const now = ctx.now().getTime()
  const findings = looks.flatMap((look) => toFindings(analyzer, look, now))
  await settleFindings(ctx, analyzer, findings, ({ resource }) => only === undefined || resource === only)
  await noteLooks(ctx, analyzer, looks, only === undefined)
  return looks.length > 0
}

const scanInternal = async (ctx: Ctx, analyzer: Analyzer): Promise<void> => {
  if (isOrganization(analyzer))
    for (const account of await accountsOf(ctx, analyzer)) await ensureLinkedRole(ctx, rootOf(account), account)
  const { looks, findings } = await lookInside(ctx, analyzer)
  await settleFindings(ctx, analyzer, findings)
  await noteLooks(ctx, analyzer, looks, true)
}

const scanUnused = async (ctx: Ctx, analyzer: Analyzer): Promise<void> => {
  const accounts = await accountsOf(ctx, analyzer)
  if (isOrganization(analyzer)) for (const account of accounts) await ensureLinkedRole(ctx, rootOf(account), account)
  const all: Finding[] = []
  for (const account of accounts) all.push(...(await unusedFindings(ctx, analyzer, account)))
  await settleFindings(ctx, analyzer, all)
}

export const scan: Reconciler = {
  name: 'accessanalyzer.scan',
  step: async (ctx, arn) => {
    const analyzer = await ctx.read((tx) => tx.get(Analyzers, arn))
    if (!analyzer) return done()
    try {
      if (isUnused(analyzer)) await scanUnused(ctx, analyzer)
      else if (isInternal(analyzer)) await scanInternal(ctx, analyzer)
      else await scanExternal(ctx, analyzer)
    } catch (error) {
      // Somebody deleted the role: the next change or day asks again, what was found stays.
      if (!(error instanceof AwsError && /^AccessDenied/.test(error.code))) throw error
      ctx.log.warn('an analyzer could not look at its account', { analyzer: arn, error: error.message })
    }
    return done()
  },
}
