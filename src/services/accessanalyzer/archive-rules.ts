import type { ArchiveRuleSummary } from '@aws-sdk/client-accessanalyzer'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { type Analyzer, analyzerArn, getAnalyzer, getNamed } from './analyzer.ts'
import { checkFilter, type Filter, matchesFilter } from './filters.ts'
import { type Finding, factsOf, findingsOf } from './findings/finding.ts'
import { keepFinding } from './findings/keeping.ts'
import { conflict, type Input, invalid, notFound, type Operation, overQuota } from './operation.ts'
import { page } from './page.ts'

// Archive rules: findings that are archived as they are found (IAM user guide, "Archive rules").

type Rule = {
  readonly analyzer: string
  readonly name: string
  readonly filter: Filter
  readonly created: number
  readonly updated: number
}
export const ArchiveRules = table<Rule>('accessanalyzer.archive-rule', {
  scope: 'region',
  key: ({ analyzer, name }) => `${analyzer} ${name}`,
})

const MOST_RULES = 100

export const rulesOf = (tx: ReadTx, analyzer: string): Promise<Rule[]> =>
  tx.list(ArchiveRules, { prefix: `${analyzer} ` })

const checked = (filter: Filter): Filter => {
  if (Object.keys(filter).length === 0) throw invalid('The filter of an archive rule must not be empty.')
  return checkFilter(filter)
}

/** Throws ConflictException for names that are taken, ServiceQuotaExceededException, ValidationException. */
export const putRules = async (
  ctx: Ctx,
  tx: WriteTx,
  { arn }: Pick<Analyzer, 'arn' | 'type'>,
  rules: NonNullable<Input<'CreateAnalyzer'>['archiveRules']>,
): Promise<void> => {
  const present = await rulesOf(tx, arn)
  if (present.length + rules.length > MOST_RULES)
    throw overQuota('ArchiveRule', arn, `The maximum number of archive rules per analyzer is ${MOST_RULES}.`)
  const taken = new Set(present.map(({ name }) => name))
  for (const { ruleName, filter } of rules) {
    if (taken.has(ruleName))
      throw conflict('ArchiveRule', ruleName, `An archive rule with the name ${ruleName} already exists.`)
    taken.add(ruleName)
    const now = ctx.now().getTime()
    tx.put(ArchiveRules, { analyzer: arn, name: ruleName, filter: checked(filter), created: now, updated: now })
  }
}

export const deleteRules = async (tx: WriteTx, analyzer: string): Promise<void> => {
  for (const rule of await rulesOf(tx, analyzer)) tx.delete(ArchiveRules, ArchiveRules.key(rule))
}

const getRule = async (ctx: Ctx, tx: ReadTx, analyzer: string, name: string): Promise<Rule> => {
  const rule = await tx.get(ArchiveRules, `${analyzerArn(ctx, analyzer)} ${name}`)
  if (!rule) throw notFound('ArchiveRule', name)
  return rule
}

const toSummary = ({ name, filter, created, updated }: Rule): ArchiveRuleSummary => ({
  ruleName: name,
  filter: { ...filter },
  createdAt: new Date(created),
  updatedAt: new Date(updated),
})

const CreateArchiveRule: Operation<'CreateArchiveRule'> = (ctx, { analyzerName, ruleName, filter }) =>
  ctx.write(async (tx) => {
    await putRules(ctx, tx, await getNamed(ctx, tx, analyzerName), [{ ruleName, filter }])
    return {}
  })

const GetArchiveRule: Operation<'GetArchiveRule'> = async (ctx, { analyzerName, ruleName }) => ({
  archiveRule: toSummary(
    await ctx.read(async (tx) => {
      await getNamed(ctx, tx, analyzerName)
      return getRule(ctx, tx, analyzerName, ruleName)
    }),
  ),
})

const ListArchiveRules: Operation<'ListArchiveRules'> = async (ctx, input) => {
  const rules = await ctx.read((tx) => rulesOf(tx, analyzerArn(ctx, input.analyzerName)))
  const { items, nextToken } = page(rules, input)
  return { archiveRules: items.map(toSummary), ...(nextToken === undefined ? {} : { nextToken }) }
}

const UpdateArchiveRule: Operation<'UpdateArchiveRule'> = (ctx, { analyzerName, ruleName, filter }) =>
  ctx.write(async (tx) => {
    await getNamed(ctx, tx, analyzerName)
    const rule = await getRule(ctx, tx, analyzerName, ruleName)
    tx.put(ArchiveRules, { ...rule, filter: checked(filter), updated: ctx.now().getTime() })
    return {}
  })

const DeleteArchiveRule: Operation<'DeleteArchiveRule'> = (ctx, { analyzerName, ruleName }) =>
  ctx.write(async (tx) => {
    await getNamed(ctx, tx, analyzerName)
    tx.delete(ArchiveRules, ArchiveRules.key(await getRule(ctx, tx, analyzerName, ruleName)))
    return {}
  })

/** Archives what the rule fits among the findings that are there: rules by themselves only look at new ones. */
const ApplyArchiveRule: Operation<'ApplyArchiveRule'> = (ctx, { analyzerArn: arn, ruleName }) =>
  ctx.write(async (tx) => {
    const { name } = await getAnalyzer(ctx, tx, arn)
    const { filter } = await getRule(ctx, tx, name, ruleName)
    for (const finding of await findingsOf(tx, arn))
      if (finding.status === 'ACTIVE' && matchesFilter(filter, factsOf(finding)))
        keepFinding(tx, { ...finding, status: 'ARCHIVED', updated: ctx.now().getTime() }, finding)
    return {}
  })

/** Whether a new finding goes to the archive at once. */
export const isArchivedBy = (rules: readonly { readonly filter: Filter }[], finding: Finding): boolean =>
  rules.some(({ filter }) => matchesFilter(filter, factsOf(finding)))

export const archiveRules = {
  CreateArchiveRule,
  GetArchiveRule,
  ListArchiveRules,
  UpdateArchiveRule,
  DeleteArchiveRule,
  ApplyArchiveRule,
}
