import { defineService, provide } from '../../kernel/service.ts'
import { instanceProfiles, instances, machineAgents, machines, publicImages, vpcPlaces } from '../capabilities.ts'
import * as attributes from './attributes.ts'
import { GetConsoleOutput } from './console.ts'
import { DescribeInstanceStatus, DescribeInstances } from './describe.ts'
import { makeInstances } from './found.ts'
import { accessTo } from './iam.ts'
import { DescribeImages, publicImagesProvider } from './images.ts'
import { Instance, Machine, PublicAddress } from './instance.ts'
import { DescribeInstanceTypes } from './instance-types.ts'
import { CreateKeyPair, DeleteKeyPair, DescribeKeyPairs, ImportKeyPair, KeyPair } from './key-pairs.ts'
import { RunInstances } from './launch.ts'
import { RebootInstances, StartInstances, StopInstances, TerminateInstances } from './lifecycle.ts'
import { ingressReconciler, instanceReconciler } from './machine.ts'
import { makeMachines } from './machines.ts'
import { ManagedInterface } from './managed-interface.ts'
import { makeVpcPlaces } from './managed-interfaces.ts'
import { metadataDoor } from './metadata.ts'
import { DescribeNetworkInterfaces } from './network-interfaces.ts'
import { type NS, orDryRun } from './operation.ts'
import { DescribeAccountAttributes, DescribeRegions } from './regions.ts'
import { RoleCredentials } from './role-credentials.ts'
import * as rules from './security-group-rules.ts'
import * as securityGroups from './security-groups.ts'
import { Tag } from './tag.ts'
import { CreateTags, DeleteTags, DescribeTags } from './tags.ts'
import { DescribeAvailabilityZones, DescribeSubnets, DescribeVpcs, Subnet, Vpc } from './vpcs.ts'

const operations = {
  AssociateIamInstanceProfile: attributes.AssociateIamInstanceProfile,
  AuthorizeSecurityGroupEgress: rules.AuthorizeSecurityGroupEgress,
  AuthorizeSecurityGroupIngress: rules.AuthorizeSecurityGroupIngress,
  CreateKeyPair,
  CreateSecurityGroup: securityGroups.CreateSecurityGroup,
  CreateTags,
  DeleteKeyPair,
  DeleteSecurityGroup: securityGroups.DeleteSecurityGroup,
  DeleteTags,
  DescribeAccountAttributes: orDryRun(DescribeAccountAttributes),
  DescribeAvailabilityZones: orDryRun(DescribeAvailabilityZones),
  DescribeIamInstanceProfileAssociations: attributes.DescribeIamInstanceProfileAssociations,
  DescribeImages: orDryRun(DescribeImages),
  DescribeInstanceAttribute: orDryRun(attributes.DescribeInstanceAttribute),
  DescribeInstanceStatus: orDryRun(DescribeInstanceStatus),
  DescribeInstances: orDryRun(DescribeInstances),
  DescribeInstanceTypes: orDryRun(DescribeInstanceTypes),
  DescribeKeyPairs: orDryRun(DescribeKeyPairs),
  DescribeNetworkInterfaces: orDryRun(DescribeNetworkInterfaces),
  DescribeRegions: orDryRun(DescribeRegions),
  DescribeSecurityGroupRules: orDryRun(rules.DescribeSecurityGroupRules),
  DescribeSecurityGroups: orDryRun(securityGroups.DescribeSecurityGroups),
  DescribeSubnets: orDryRun(DescribeSubnets),
  DescribeTags: orDryRun(DescribeTags),
  DescribeVpcs: orDryRun(DescribeVpcs),
  DisassociateIamInstanceProfile: attributes.DisassociateIamInstanceProfile,
  GetConsoleOutput: orDryRun(GetConsoleOutput),
  ImportKeyPair,
  ModifyInstanceAttribute: attributes.ModifyInstanceAttribute,
  ModifyInstanceMetadataOptions: attributes.ModifyInstanceMetadataOptions,
  RebootInstances,
  RevokeSecurityGroupEgress: rules.RevokeSecurityGroupEgress,
  RevokeSecurityGroupIngress: rules.RevokeSecurityGroupIngress,
  RunInstances,
  StartInstances,
  StopInstances,
  TerminateInstances,
}

export const service = defineService<NS>()({
  id: 'ec2',
  tables: [
    Instance,
    ManagedInterface,
    Machine,
    PublicAddress,
    KeyPair,
    RoleCredentials,
    securityGroups.SecurityGroup,
    Subnet,
    Tag,
    Vpc,
  ],
  operations,
  partial: {
    AuthorizeSecurityGroupEgress:
      'Egress rules are kept and shown; packets that leave a machine are not held against them.',
    RevokeSecurityGroupEgress:
      'Egress rules are kept and shown; packets that leave a machine are not held against them.',
    AuthorizeSecurityGroupIngress:
      'IPv6 ranges are kept and shown: no machine has IPv6. Prefix lists, and groups of other accounts and peered VPCs, are refused.',
    RevokeSecurityGroupIngress: 'Prefix lists, and groups of other accounts and peered VPCs, are refused.',
    CreateKeyPair: 'PEM only: the PPK format is refused.',
    DescribeImages:
      'Images that this host can boot. One has no date of creation and no volume: the date and root device told are the same for all. Launch permissions (ExecutableUsers) are refused.',
    DescribeInstanceTypes: 'A few types and the facts about them that this host keeps to; others are refused.',
    DescribeRegions: 'Regions that must be opted in to are not listed, with AllRegions neither.',
    StopInstances:
      'Every machine is asked to end and given ten seconds: Force and SkipOsShutdown shorten nothing. Hibernation is refused.',
    TerminateInstances: 'Every machine is asked to end and given its time: Force and SkipOsShutdown shorten nothing.',
    DescribeInstanceStatus: 'Instance and system checks pass for every running machine; nothing probes it.',
    RunInstances:
      'Block device mappings, launch templates, several network interfaces, spot and dedicated hosts are refused; the hop limit and monitoring are kept and shown, no hop is counted and no metric published.',
    ModifyInstanceAttribute: 'sourceDestCheck is kept and shown, and changes no packet; EBS attributes are refused.',
    ModifyInstanceMetadataOptions: 'The hop limit is kept and shown; no hop is counted.',
    DescribeNetworkInterfaces:
      'The one interface of each instance, and those that services manage for their tasks; there are none of their own.',
  },
  access: accessTo(operations),
  routes: [metadataDoor],
  reconcilers: [instanceReconciler, ingressReconciler],
  provides: [
    provide(instances, makeInstances),
    provide(machines, makeMachines),
    provide(publicImages, publicImagesProvider),
    provide(vpcPlaces, makeVpcPlaces),
  ],
  uses: [instanceProfiles, machineAgents],
})
