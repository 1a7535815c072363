import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { instanceProfiles } from '../capabilities.ts'
import type { Instance } from './instance.ts'
import { fail, type Input } from './operation.ts'

type RunInput = Input<'RunInstances'>

/** Instances of one account in one region that are not terminated: what one machine can be asked to carry. */
export const mostInstances = 256

/** Members that would change what runs and that Drydock does not carry out: refused, not ignored. */
const refused = [
  'BlockDeviceMappings',
  'CapacityReservationSpecification',
  'CpuOptions',
  'ElasticGpuSpecification',
  'ElasticInferenceAccelerators',
  'EnablePrimaryIpv6',
  'EnclaveOptions',
  'HibernationOptions',
  'InstanceMarketOptions',
  'Ipv6AddressCount',
  'Ipv6Addresses',
  'KernelId',
  'LaunchTemplate',
  'LicenseSpecifications',
  'NetworkPerformanceOptions',
  'Operator',
  'PrivateDnsNameOptions',
  'RamdiskId',
  'SecondaryInterfaces',
] as const
const refusedOfInterface = [
  'AssociateCarrierIpAddress',
  'ConnectionTrackingSpecification',
  'EnaSrdSpecification',
  'Ipv4PrefixCount',
  'Ipv4Prefixes',
  'Ipv6AddressCount',
  'Ipv6Addresses',
  'Ipv6PrefixCount',
  'Ipv6Prefixes',
  'NetworkInterfaceId',
  'PrimaryIpv6',
  'PrivateIpAddresses',
  'SecondaryPrivateIpAddressCount',
] as const

const given = (value: unknown): boolean =>
  value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
const unsupported = (what: string) => fail('UnsupportedOperation', `Drydock does not support ${what} of RunInstances.`)

/** Throws UnsupportedOperation for whatever would have to be ignored. */
export const refuse = (input: RunInput): void => {
  for (const member of refused) if (given(input[member])) throw unsupported(member)
  if (input.EbsOptimized) throw unsupported('EbsOptimized')
  if (input.CreditSpecification && input.CreditSpecification.CpuCredits !== 'unlimited')
    throw unsupported('CreditSpecification (no processor time is credited)')
  const { AvailabilityZone: _zone, Tenancy = 'default', ...placement } = input.Placement ?? {}
  if (Tenancy !== 'default') throw unsupported('Placement.Tenancy')
  for (const [member, value] of Object.entries(placement)) if (given(value)) throw unsupported(`Placement.${member}`)
}

/** What RunInstances is told in two ways: at the top, or of its one network interface. */
export const networkOf = (input: RunInput) => {
  const [nic, ...more] = input.NetworkInterfaces ?? []
  if (more.length > 0) throw fail('UnsupportedOperation', 'An instance has one network interface, made at launch.')
  for (const member of refusedOfInterface) if (given(nic?.[member])) throw unsupported(`NetworkInterfaces.${member}`)
  if ((nic?.InterfaceType ?? 'interface') !== 'interface') throw unsupported(`interfaces of type ${nic?.InterfaceType}`)
  if (nic && nic.DeleteOnTermination === false) throw unsupported('NetworkInterfaces.DeleteOnTermination=false')
  if (nic && (input.SubnetId || input.SecurityGroupIds?.length || input.SecurityGroups?.length))
    throw fail(
      'InvalidParameterCombination',
      'Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request',
    )
  const address = nic?.PrivateIpAddress ?? input.PrivateIpAddress
  if (address && input.MaxCount > 1)
    throw fail('InvalidParameterCombination', 'A private IP address cannot be specified for more than one instance')
  return {
    subnetId: nic?.SubnetId ?? input.SubnetId,
    address,
    groupIds: nic?.Groups ?? input.SecurityGroupIds ?? [],
    groupNames: input.SecurityGroups ?? [],
    publicAddress: nic?.AssociatePublicIpAddress ?? true,
  }
}

/** Throws InvalidUserData.Malformed, or InvalidParameterValue beyond 16 KB before encoding. */
export const checkUserData = (userData: string | undefined): void => {
  if (userData === undefined) return
  if (!/^[A-Za-z0-9+/=\s]*$/.test(userData))
    throw fail('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.')
  if (Buffer.from(userData, 'base64').length > 16_384)
    throw fail('InvalidParameterValue', 'User data is limited to 16384 bytes')
}

/** The metadata service's settings, those not named kept as they were. Throws InvalidParameterValue. */
export const metadataOptions = (
  {
    HttpTokens,
    HttpEndpoint,
    HttpPutResponseHopLimit,
    InstanceMetadataTags,
    HttpProtocolIpv6,
  }: NonNullable<RunInput['MetadataOptions']>,
  before: Instance['metadata'],
): Instance['metadata'] => {
  const hopLimit = HttpPutResponseHopLimit ?? before.hopLimit
  if (hopLimit < 1 || hopLimit > 64)
    throw fail(
      'InvalidParameterValue',
      `Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.`,
    )
  if (HttpProtocolIpv6 === 'enabled')
    throw fail('UnsupportedOperation', 'Drydock has no IPv6 endpoint of the metadata service.')
  return {
    tokens: HttpTokens ?? before.tokens,
    endpoint: HttpEndpoint ?? before.endpoint,
    hopLimit,
    tags: InstanceMetadataTags ?? before.tags,
  }
}

/**
 * The instance profile a caller names, once it is sure that he may pass its role to this instance, or to new ones. Errors: InvalidParameterValue for a
 * profile that does not exist; the denial of `iam:PassRole`.
 */
export const passProfile = async (
  ctx: Ctx,
  named: { readonly Arn?: string | undefined; readonly Name?: string | undefined } | undefined,
  instanceId = '*',
): Promise<Instance['profile']> => {
  const name = named?.Arn ?? named?.Name
  if (name === undefined) return undefined
  const profile = await ctx.use(instanceProfiles).find(ctx.place, name)
  if (!profile)
    throw fail(
      'InvalidParameterValue',
      `Value (${name}) for parameter iamInstanceProfile.${named?.Arn ? 'arn' : 'name'} is invalid. Invalid IAM Instance Profile ${named?.Arn ? 'ARN' : 'name'}`,
    )
  if (profile.roleArn)
    await ctx.authorize('iam:PassRole', profile.roleArn, {
      'iam:PassedToService': ['ec2.amazonaws.com'],
      'iam:AssociatedResourceArn': [ctx.arn(`instance/${instanceId}`)],
    })
  return { arn: profile.arn, id: profile.id, associationId: `iip-assoc-${ctx.random(17)}` }
}

/** What makes two requests with one client token the same request. */
export const fingerprint = ({ ClientToken: _token, DryRun: _dry, ...asked }: RunInput): string => {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : value && typeof value === 'object'
        ? Object.fromEntries(
            Object.entries(value)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([k, v]) => [k, sorted(v)]),
          )
        : value
  return createHash('sha256')
    .update(JSON.stringify(sorted(asked)))
    .digest('hex')
}
