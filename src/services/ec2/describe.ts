import type { Ctx } from '../../kernel/context.ts'
import { filtered, page } from './filters.ts'
import { getInstances, Instance, toState } from './instance.ts'
import { instanceView } from './instance-view.ts'
import { fail, type Operation } from './operation.ts'

const filterNames = [
  'instance-id',
  'image-id',
  'instance-type',
  'instance-state-name',
  'instance-state-code',
  'instance-lifecycle',
  'reservation-id',
  'key-name',
  'subnet-id',
  'vpc-id',
  'availability-zone',
  'private-ip-address',
  'ip-address',
  'private-dns-name',
  'dns-name',
  'instance.group-id',
  'instance.group-name',
  'group-id',
  'group-name',
  'iam-instance-profile.arn',
  'iam-instance-profile.id',
  'client-token',
  'owner-id',
  'architecture',
  'launch-index',
  'metadata-options.http-tokens',
  'network-interface.network-interface-id',
  'root-device-type',
  'virtualization-type',
]

/** Instances grouped as they were launched. */
export const toReservations = (
  ctx: Ctx,
  instances: readonly Instance[],
  toInstance: Awaited<ReturnType<typeof instanceView>>['toInstance'],
) =>
  [...Map.groupBy(instances, ({ reservationId }) => reservationId)].map(([id, members]) => ({
    ReservationId: id,
    OwnerId: ctx.account,
    Groups: [],
    Instances: members.toSorted((a, b) => a.launchIndex - b.launchIndex).map(toInstance),
  }))

export const DescribeInstances: Operation<'DescribeInstances'> = (
  ctx,
  { InstanceIds, Filters, MaxResults, NextToken },
) => {
  if (MaxResults !== undefined && InstanceIds?.length)
    throw fail('InvalidParameterCombination', 'The parameter instancesSet cannot be used with the parameter maxResults')
  return ctx.read(async (tx) => {
    const { toInstance, factsOf } = await instanceView(ctx, tx)
    const chosen = InstanceIds?.length ? await getInstances(tx, InstanceIds) : await tx.list(Instance)
    const { page: cut, ...more } = page(filtered(chosen, Filters, filterNames, factsOf), MaxResults, NextToken)
    return { Reservations: toReservations(ctx, cut, toInstance), ...more }
  })
}

export const DescribeInstanceStatus: Operation<'DescribeInstanceStatus'> = (
  ctx,
  { InstanceIds, Filters, IncludeAllInstances, MaxResults, NextToken },
) =>
  ctx.read(async (tx) => {
    const { factsOf } = await instanceView(ctx, tx)
    const all = InstanceIds?.length ? await getInstances(tx, InstanceIds) : await tx.list(Instance)
    const shown = all.filter(({ state }) => IncludeAllInstances || state === 'running')
    const { page: cut, ...more } = page(filtered(shown, Filters, filterNames, factsOf), MaxResults, NextToken)
    const InstanceStatuses = cut.map((instance) => {
      const status = instance.state === 'running' ? ('ok' as const) : ('not-applicable' as const)
      const details = status === 'ok' ? [{ Name: 'reachability' as const, Status: 'passed' as const }] : []
      return {
        InstanceId: instance.id,
        AvailabilityZone: instance.zone,
        InstanceState: toState(instance.state),
        InstanceStatus: { Status: status, Details: details },
        SystemStatus: { Status: status, Details: details },
      }
    })
    return { InstanceStatuses, ...more }
  })
