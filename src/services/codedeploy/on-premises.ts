import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { fail, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'
import { matchesFilter, readFilters } from './tag-filters.ts'
import { Target } from './target.ts'

type MachineTags = Readonly<Record<string, string>>

/** A machine outside of EC2. Its agent is known by the IAM user or session it was registered with. */
type OnPremisesInstance = {
  readonly name: string
  readonly arn: string
  readonly iam: { readonly kind: 'user' | 'session'; readonly arn: string }
  readonly registered: number
  readonly deregistered?: number
  readonly tags: MachineTags
}
export const OnPremisesInstance = table<OnPremisesInstance>('codedeploy.on-premises-instance', {
  scope: 'region',
  key: ({ name }) => name,
  index: { iam: ({ iam, deregistered }) => (deregistered === undefined ? iam.arn : undefined) },
})

/** Tags of one machine, and machines that are tagged in one call ("CodeDeploy quotas", user guide). */
const [mostTags, mostMachines] = [10, 100]

/** Names are parts of ARNs and must not be taken for EC2's ids (`register`, AWS CLI command reference). */
const checkInstanceName = (name: string): void => {
  if (name === '') throw fail('InstanceNameRequiredException', 'An on-premises instance name was not specified.')
  if (!/^[\w+=,.@-]{1,100}$/.test(name) || /^m?i-/.test(name))
    throw fail('InvalidInstanceNameException', `The on-premises instance name is not valid: ${name}`)
}

/** The registered machine whose agent has this IAM identity. */
export const machineOf = async (tx: ReadTx, iamArn: string): Promise<OnPremisesInstance | undefined> =>
  (await tx.list(OnPremisesInstance, { index: 'iam', equals: iamArn, limit: 1 }))[0]

/** Whether a machine of this name is registered now. */
export const isRegistered = async (tx: ReadTx, name: string): Promise<boolean> => {
  const found = await tx.get(OnPremisesInstance, name)
  return found !== undefined && found.deregistered === undefined
}

/** All machines that are registered now. */
export const registeredMachines = async (tx: ReadTx): Promise<OnPremisesInstance[]> =>
  (await tx.list(OnPremisesInstance)).filter(({ deregistered }) => deregistered === undefined)

/** By which IAM identity a machine is to be registered. Throws when it names none, two, or what is no such ARN. */
const readIdentity = (user: string | undefined, session: string | undefined): OnPremisesInstance['iam'] => {
  if (user && session)
    throw fail(
      'MultipleIamArnsProvidedException',
      'Both an IAM user ARN and an IAM session ARN were included in the request. Use only one ARN type.',
    )
  if (session) {
    if (!/^arn:aws:sts::\d{12}:assumed-role\/[\w+=,.@-]{1,64}\/[\w+=,.@-]{2,64}$/.test(session))
      throw fail('InvalidIamSessionArnException', `The IAM session ARN was specified in an invalid format: ${session}`)
    return { kind: 'session', arn: session }
  }
  if (!user)
    throw fail(
      'IamArnRequiredException',
      'No IAM ARN was included in the request. You must use an IAM session ARN or user ARN in the request.',
    )
  if (!/^arn:aws:iam::\d{12}:user\/([\x21-\x7e]{1,510}\/)?[\w+=,.@-]{1,64}$/.test(user))
    throw fail('InvalidIamUserArnException', `The IAM user ARN was specified in an invalid format: ${user}`)
  return { kind: 'user', arn: user }
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export const RegisterOnPremisesInstance: Operation<'RegisterOnPremisesInstance'> = (
  ctx,
  { instanceName: name, iamUserArn, iamSessionArn },
) => {
  checkInstanceName(name)
  const iam = readIdentity(iamUserArn, iamSessionArn)
  return ctx.write(async (tx) => {
    if (await isRegistered(tx, name))
      throw fail(
        'InstanceNameAlreadyRegisteredException',
        `The on-premises instance name is already registered: ${name}`,
      )
    if (await machineOf(tx, iam.arn))
      throw iam.kind === 'user'
        ? fail(
            'IamUserArnAlreadyRegisteredException',
            `The specified IAM user ARN is already registered with an on-premises instance: ${iam.arn}`,
          )
        : fail(
            'IamSessionArnAlreadyRegisteredException',
            `The request included an IAM session ARN that has already been used to register a different instance: ${iam.arn}`,
          )
    const arn = ctx.arn(`instance/${name}_${ctx.random(10, letters)}`)
    tx.put(OnPremisesInstance, { name, arn, iam, registered: ctx.now().getTime(), tags: {} })
    return {}
  })
}

export const DeregisterOnPremisesInstance: Operation<'DeregisterOnPremisesInstance'> = (
  ctx,
  { instanceName: name },
) => {
  checkInstanceName(name)
  return ctx.write(async (tx) => {
    const machine = await tx.get(OnPremisesInstance, name)
    if (!machine || machine.deregistered !== undefined) return {}
    tx.put(OnPremisesInstance, { ...machine, deregistered: ctx.now().getTime() })
    // Deployments that work on it need not wait for its agent.
    for (const { deploymentId } of await tx.list(Target, { index: 'active', equals: name }))
      tx.wake('codedeploy.deployment', deploymentId)
    return {}
  })
}

type WireTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** Changes the tags of registered machines, all of them or none. */
const changeTags = (
  ctx: Ctx,
  names: readonly string[],
  tags: readonly WireTag[],
  change: (present: MachineTags, tags: readonly { key: string; value?: string }[]) => MachineTags,
): Promise<Record<string, never>> => {
  if (names.length === 0) throw fail('InstanceNameRequiredException', 'An on-premises instance name was not specified.')
  if (names.length > mostMachines)
    throw fail(
      'InstanceLimitExceededException',
      `The maximum number of on-premises instances in a single call (${mostMachines}) was exceeded.`,
    )
  for (const name of names) checkInstanceName(name)
  if (tags.length === 0) throw fail('TagRequiredException', 'A tag was not specified.')
  const read = tags.map(({ Key = '', Value }) => {
    if (Key === '' || Key.length > 128 || (Value?.length ?? 0) > 256)
      throw fail('InvalidTagException', 'The tag was specified in an invalid format.')
    return { key: Key, ...(Value === undefined ? {} : { value: Value }) }
  })
  return ctx.write(async (tx) => {
    for (const name of names) {
      const machine = await tx.get(OnPremisesInstance, name)
      if (!machine || machine.deregistered !== undefined) throw notRegistered(name)
      const changed = change(machine.tags, read)
      if (Object.keys(changed).length > mostTags)
        throw fail('TagLimitExceededException', `The maximum allowed number of tags (${mostTags}) was exceeded.`)
      tx.put(OnPremisesInstance, { ...machine, tags: changed })
    }
    return {}
  })
}
const notRegistered = (name: string) =>
  fail('InstanceNotRegisteredException', `The on-premises instance is not registered: ${name}`)

export const AddTagsToOnPremisesInstances: Operation<'AddTagsToOnPremisesInstances'> = (ctx, { instanceNames, tags }) =>
  changeTags(ctx, instanceNames, tags, (present, added) => ({
    ...present,
    ...Object.fromEntries(added.map(({ key, value = '' }) => [key, value])),
  }))

/** A tag is removed where its value is the one named, too; without a value, whatever it is. */
export const RemoveTagsFromOnPremisesInstances: Operation<'RemoveTagsFromOnPremisesInstances'> = (
  ctx,
  { instanceNames, tags },
) =>
  changeTags(ctx, instanceNames, tags, (present, removed) =>
    Object.fromEntries(
      Object.entries(present).filter(
        ([key, value]) => !removed.some((one) => one.key === key && (one.value === undefined || one.value === value)),
      ),
    ),
  )

const toInfo = ({ name, arn, iam, registered, deregistered, tags }: OnPremisesInstance) => ({
  instanceName: name,
  instanceArn: arn,
  ...(iam.kind === 'user' ? { iamUserArn: iam.arn } : { iamSessionArn: iam.arn }),
  registerTime: new Date(registered),
  ...(deregistered === undefined ? {} : { deregisterTime: new Date(deregistered) }),
  tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
})

export const GetOnPremisesInstance: Operation<'GetOnPremisesInstance'> = (ctx, { instanceName }) => {
  checkInstanceName(instanceName)
  return ctx.read(async (tx) => {
    const machine = await tx.get(OnPremisesInstance, instanceName)
    if (!machine) throw notRegistered(instanceName)
    return { instanceInfo: toInfo(machine) }
  })
}

export const BatchGetOnPremisesInstances: Operation<'BatchGetOnPremisesInstances'> = (ctx, { instanceNames }) => {
  checkBatch(instanceNames, 100, 'InstanceNameRequiredException')
  for (const name of instanceNames) checkInstanceName(name)
  return ctx.read(async (tx) => {
    const found = await Promise.all(instanceNames.map((name) => tx.get(OnPremisesInstance, name)))
    return { instanceInfos: found.flatMap((machine) => (machine ? [toInfo(machine)] : [])) }
  })
}

/** Machines that match all filters, registered and deregistered ones unless told. */
export const ListOnPremisesInstances: Operation<'ListOnPremisesInstances'> = (
  ctx,
  { registrationStatus, tagFilters = [], nextToken },
) => {
  if (registrationStatus !== undefined && registrationStatus !== 'Registered' && registrationStatus !== 'Deregistered')
    throw fail('InvalidRegistrationStatusException', `The registration status is not valid: ${registrationStatus}`)
  const filters = readFilters(tagFilters, 'InvalidTagFilterException')
  return ctx.read(async (tx) => {
    const all = (await tx.list(OnPremisesInstance)).filter(
      ({ deregistered, tags }) =>
        (!registrationStatus || (deregistered === undefined) === (registrationStatus === 'Registered')) &&
        filters.every((filter) => matchesFilter(filter, tags)),
    )
    const { items, ...more } = page(all, nextToken)
    return { instanceNames: items.map(({ name }) => name), ...more }
  })
}
