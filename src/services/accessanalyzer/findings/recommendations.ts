import type { RecommendedStep } from '@aws-sdk/client-accessanalyzer'
import { table, type WriteTx } from '../../../store/store.ts'
import { getAnalyzer } from '../analyzer.ts'
import { linkedRole } from '../linked-role.ts'
import { invalid, notFound, type Operation } from '../operation.ts'
import { page } from '../page.ts'
import { Findings } from './finding.ts'
import { entitiesOf } from './unused.ts'
import { type Step, stepsFor } from './unused-permissions.ts'

type Recommendation = {
  readonly analyzer: string
  readonly finding: string
  readonly resource: string
  readonly started: number
  readonly completed: number
  readonly steps: readonly Step[]
}
export const Recommendations = table<Recommendation>('accessanalyzer.recommendation', {
  scope: 'region',
  key: ({ analyzer, finding }) => `${analyzer} ${finding}`,
})

export const deleteRecommendations = async (tx: WriteTx, analyzer: string): Promise<void> => {
  for (const one of await tx.list(Recommendations, { prefix: `${analyzer} ` }))
    tx.delete(Recommendations, Recommendations.key(one))
}

/** Done when the call answers. Throws ValidationException for findings about anything but unused permissions. */
const GenerateFindingRecommendation: Operation<'GenerateFindingRecommendation'> = async (ctx, { analyzerArn, id }) => {
  const finding = await ctx.read(async (tx) => {
    await getAnalyzer(ctx, tx, analyzerArn)
    return tx.get(Findings, `${analyzerArn} ${id}`)
  })
  if (!finding) throw invalid(`The finding ${id} does not exist.`)
  const { unused } = finding
  if (unused?.kind !== 'UnusedPermission')
    throw invalid('Recommendations are only supported for findings about unused permissions.')
  const started = ctx.now().getTime()
  const { iam } = ctx.as(linkedRole(finding.owner), { account: finding.owner })
  const entity = (await entitiesOf(iam)).find(({ arn }) => arn === finding.resource)
  const steps = await stepsFor(entity?.policies ?? [], unused.services)
  await ctx.write(async (tx) => {
    tx.put(Recommendations, {
      analyzer: analyzerArn,
      finding: id,
      resource: finding.resource,
      started,
      completed: ctx.now().getTime(),
      steps,
    })
  })
  return {}
}

const toStep = (step: Step): RecommendedStep => ({
  unusedPermissionsRecommendedStep: {
    recommendedAction: step.action,
    existingPolicyId: step.policy,
    ...(step.action === 'CREATE_POLICY' ? { recommendedPolicy: step.recommended } : {}),
  },
})

/** Throws ResourceNotFoundException until a recommendation was generated. */
const GetFindingRecommendation: Operation<'GetFindingRecommendation'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => {
    await getAnalyzer(ctx, tx, input.analyzerArn)
    return tx.get(Recommendations, `${input.analyzerArn} ${input.id}`)
  })
  if (!found) throw notFound('FindingRecommendation', input.id)
  const { items, nextToken } = page(found.steps, input)
  return {
    status: 'SUCCEEDED',
    recommendationType: 'UnusedPermissionRecommendation',
    resourceArn: found.resource,
    startedAt: new Date(found.started),
    completedAt: new Date(found.completed),
    recommendedSteps: items.map(toStep),
    ...(nextToken === undefined ? {} : { nextToken }),
  }
}

export const recommendations = { GenerateFindingRecommendation, GetFindingRecommendation }
