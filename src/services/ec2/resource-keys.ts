import type { Requirement } from '../../kernel/service.ts'
import type { ReadTx } from '../../store/store.ts'
import { Instance } from './instance.ts'
import { KeyPair } from './key-pairs.ts'
import { SecurityGroup } from './security-groups.ts'
import { kindOf } from './tag.ts'
import { Subnet, Vpc, zoneId } from './vpcs.ts'

// Condition keys that tell what a resource is like ("Actions, resources, and condition keys for Amazon EC2").

export type Keys = NonNullable<Requirement['context']>
type Arn = (resource: string) => string

export const zoneKeys = (zone: string | undefined): Keys =>
  zone === undefined ? {} : { 'ec2:AvailabilityZone': zone, 'ec2:AvailabilityZoneId': zoneId(zone) }

/** What is the same for every machine here. */
export const everyInstance: Keys = {
  'ec2:EbsOptimized': 'false',
  'ec2:InstanceMarketType': 'on-demand',
  'ec2:RootDeviceType': 'ebs',
  'ec2:Tenancy': 'default',
}

export const metadataKeys = (options: Instance['metadata']): Keys => ({
  'ec2:InstanceMetadataTags': options.tags,
  'ec2:MetadataHttpEndpoint': options.endpoint,
  'ec2:MetadataHttpPutResponseHopLimit': String(options.hopLimit),
  'ec2:MetadataHttpTokens': options.tokens,
})

const instanceKeys = ({ id, type, zone, profile, metadata }: Instance): Keys => ({
  ...everyInstance,
  ...zoneKeys(zone),
  ...metadataKeys(metadata),
  'ec2:InstanceID': id,
  'ec2:InstanceProfile': profile?.arn,
  'ec2:InstanceType': type,
})

/** The keys of a resource by its id; none where there is no such resource. */
export const keysOf = async (tx: ReadTx, arn: Arn, id: string): Promise<Keys> => {
  switch (kindOf(id)) {
    case 'instance': {
      const found = await tx.get(Instance, id)
      return found ? instanceKeys(found) : {}
    }
    case 'security-group': {
      const found = await tx.get(SecurityGroup, id)
      return { 'ec2:SecurityGroupID': id, ...(found ? { 'ec2:Vpc': arn(`vpc/${found.vpcId}`) } : {}) }
    }
    case 'subnet': {
      const found = await tx.get(Subnet, id)
      if (!found) return { 'ec2:SubnetID': id }
      return { 'ec2:SubnetID': id, 'ec2:Vpc': arn(`vpc/${found.vpcId}`), ...zoneKeys(found.zone) }
    }
    case 'vpc':
      return { 'ec2:VpcID': id, ...((await tx.get(Vpc, id)) ? { 'ec2:Tenancy': 'default' } : {}) }
    default:
      return {}
  }
}

export const keyPairKeys = async (tx: ReadTx, name: string): Promise<Keys> => ({
  'ec2:KeyPairName': name,
  'ec2:KeyPairType': (await tx.get(KeyPair, name))?.type,
})
