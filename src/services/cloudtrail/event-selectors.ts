import { watch } from './follower.ts'
import { fail, type Operation } from './operation.ts'
import { advancedSelectors, basicSelectors, everyManagementEvent, type Selectors } from './selectors.ts'
import { getOwnTrail, getTrail, Trail } from './trail.ts'

const toSelectors = (selectors: Selectors) =>
  selectors.kind === 'basic'
    ? { EventSelectors: [...selectors.selectors] }
    : { AdvancedEventSelectors: [...selectors.selectors] }

/** Basic or advanced selectors, the ones in place of the others. In the home Region only. */
export const PutEventSelectors: Operation<'PutEventSelectors'> = async (ctx, input) => {
  const { EventSelectors: basic, AdvancedEventSelectors: advanced } = input
  const both = basic?.length && advanced?.length
  if (both)
    throw fail(
      'InvalidEventSelectorsException',
      'Either event selectors or advanced event selectors can be given, not both.',
    )
  const selectors = advanced?.length ? advancedSelectors(advanced) : basicSelectors(basic ?? [])
  const arn = await ctx.write(async (tx) => {
    const trail = await getOwnTrail(ctx, tx, input.TrailName)
    tx.put(Trail, { ...trail, selectors })
    watch(tx)
    return trail.arn
  })
  return { TrailARN: arn, ...toSelectors(selectors) }
}

export const GetEventSelectors: Operation<'GetEventSelectors'> = async (ctx, { TrailName }) => {
  const { arn, selectors = everyManagementEvent } = await ctx.read((tx) => getTrail(ctx, tx, TrailName))
  return { TrailARN: arn, ...toSelectors(selectors) }
}
