import type { RepositoryTrigger } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { isBranchName } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { getRepository } from './repositories.ts'

/** The triggers of a repository, all at once. */
export type Triggers = {
  readonly repositoryId: string
  readonly configurationId: string
  readonly triggers: readonly RepositoryTrigger[]
}

export const Triggers = table<Triggers>('codecommit.triggers', {
  scope: 'region',
  key: ({ repositoryId }) => repositoryId,
})

/** Quotas in CodeCommit. */
const mostTriggers = 10
const mostBranches = 10
const longestData = 1000

const check = (ctx: Ctx, triggers: readonly RepositoryTrigger[]): void => {
  if (triggers.length > mostTriggers)
    throw fail('MaximumRepositoryTriggersExceededException', `A repository can have at most ${mostTriggers} triggers.`)
  const names = new Set<string>()
  for (const trigger of triggers) {
    const { name = '', customData = '', branches, events = [] } = trigger
    if (name === '') throw fail('RepositoryTriggerNameRequiredException', 'A trigger needs a name.')
    if (!/^[\w.-]{1,100}$/.test(name) || names.has(name))
      throw fail('InvalidRepositoryTriggerNameException', `The trigger name ${name} is not valid.`)
    names.add(name)
    checkDestination(ctx, trigger)
    if (customData.length > longestData)
      throw fail(
        'InvalidRepositoryTriggerCustomDataException',
        `Custom data can have at most ${longestData} characters.`,
      )
    if (branches === undefined)
      throw fail(
        'RepositoryTriggerBranchNameListRequiredException',
        `The trigger ${name} needs a list of branches; an empty one stands for all.`,
      )
    if (branches.length > mostBranches)
      throw fail('MaximumBranchesExceededException', `A trigger can name at most ${mostBranches} branches.`)
    for (const branch of branches)
      if (!isBranchName(branch))
        throw fail('InvalidRepositoryTriggerBranchNameException', `The branch name ${branch} is not valid.`)
    if (events.length === 0)
      throw fail('RepositoryTriggerEventsListRequiredException', `The trigger ${name} needs at least one event.`)
    if (events.includes('all') && events.length > 1)
      throw fail('InvalidRepositoryTriggerEventsException', 'The event all cannot be used with any other.')
  }
  // Topics of SNS and functions of Lambda can be triggered; as long as there are none here, no ARN names one.
  for (const { destinationArn } of triggers) throw noSuchDestination(destinationArn)
}

const noSuchDestination = (arn: string | undefined) =>
  fail('InvalidRepositoryTriggerDestinationArnException', `${arn} is no topic or function that exists.`)

const checkDestination = (ctx: Ctx, { name, destinationArn = '' }: RepositoryTrigger): void => {
  if (destinationArn === '')
    throw fail('RepositoryTriggerDestinationArnRequiredException', `The trigger ${name} needs a destination.`)
  const [, region] = /^arn:aws:(?:sns|lambda):([a-z0-9-]+):\d{12}:.+$/.exec(destinationArn) ?? []
  if (region === undefined) throw noSuchDestination(destinationArn)
  if (region !== ctx.region)
    throw fail('InvalidRepositoryTriggerRegionException', `The destination of a trigger must be in ${ctx.region}.`)
}

/**
 * Replaces all triggers; none removes them. Raises an exception for each member that is not valid, trigger by trigger in the
 * order of the API reference's errors.
 */
export const PutRepositoryTriggers: Operation<'PutRepositoryTriggers'> = (ctx, { repositoryName, triggers }) =>
  ctx.write(async (tx) => {
    const { id: repositoryId } = await getRepository(tx, repositoryName)
    check(ctx, triggers)
    const { configurationId } = tx.put(Triggers, { repositoryId, configurationId: ctx.newId(), triggers })
    return { configurationId }
  })

/** A repository that never had triggers has no configuration. */
export const GetRepositoryTriggers: Operation<'GetRepositoryTriggers'> = (ctx, { repositoryName }) =>
  ctx.read(async (tx) => {
    const { id } = await getRepository(tx, repositoryName)
    const found = await tx.get(Triggers, id)
    return { configurationId: found?.configurationId, triggers: [...(found?.triggers ?? [])] }
  })

/** Raises RepositoryTriggersListRequiredException, and as `PutRepositoryTriggers`. */
export const TestRepositoryTriggers: Operation<'TestRepositoryTriggers'> = async (
  ctx,
  { repositoryName, triggers },
) => {
  await ctx.read((tx) => getRepository(tx, repositoryName))
  if (triggers.length === 0) throw fail('RepositoryTriggersListRequiredException', 'At least one trigger is required.')
  check(ctx, triggers)
  return { successfulExecutions: [], failedExecutions: [] }
}
