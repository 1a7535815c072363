import { defineService, provide } from '../../kernel/service.ts'
import { instanceProfiles, instances, machineAgents } from '../capabilities.ts'
import * as attributes from './attributes.ts'
import { DescribeInstanceStatus, DescribeInstances, GetConsoleOutput } from './describe.ts'
import { makeInstances } from './found.ts'
import { access } from './iam.ts'
import { DescribeImages } from './images.ts'
import { Instance, Machine, PublicAddress } from './instance.ts'
import { DescribeInstanceTypes } from './instance-types.ts'
import { CreateKeyPair, DeleteKeyPair, DescribeKeyPairs, ImportKeyPair, KeyPair } from './key-pairs.ts'
import { RunInstances } from './launch.ts'
import { RebootInstances, StartInstances, StopInstances, TerminateInstances } from './lifecycle.ts'
import { ingressReconciler, instanceReconciler, rebootReconciler } from './machine.ts'
import { metadataDoor } from './metadata.ts'
import type { NS } from './operation.ts'
import * as securityGroups from './security-groups.ts'
import { CreateTags, DeleteTags, DescribeTags, Tag } from './tags.ts'
import { DescribeAvailabilityZones, DescribeSubnets, DescribeVpcs, Subnet, Vpc } from './vpcs.ts'

export const service = defineService<NS>()({
  id: 'ec2',
  tables: [Instance, Machine, PublicAddress, KeyPair, securityGroups.SecurityGroup, Subnet, Tag, Vpc],
  operations: {
    AssociateIamInstanceProfile: attributes.AssociateIamInstanceProfile,
    AuthorizeSecurityGroupEgress: securityGroups.AuthorizeSecurityGroupEgress,
    AuthorizeSecurityGroupIngress: securityGroups.AuthorizeSecurityGroupIngress,
    CreateKeyPair,
    CreateSecurityGroup: securityGroups.CreateSecurityGroup,
    CreateTags,
    DeleteKeyPair,
    DeleteSecurityGroup: securityGroups.DeleteSecurityGroup,
    DeleteTags,
    DescribeAvailabilityZones,
    DescribeIamInstanceProfileAssociations: attributes.DescribeIamInstanceProfileAssociations,
    DescribeImages,
    DescribeInstanceAttribute: attributes.DescribeInstanceAttribute,
    DescribeInstanceStatus,
    DescribeInstances,
    DescribeInstanceTypes,
    DescribeKeyPairs,
    DescribeSecurityGroupRules: securityGroups.DescribeSecurityGroupRules,
    DescribeSecurityGroups: securityGroups.DescribeSecurityGroups,
    DescribeSubnets,
    DescribeTags,
    DescribeVpcs,
    DisassociateIamInstanceProfile: attributes.DisassociateIamInstanceProfile,
    GetConsoleOutput,
    ImportKeyPair,
    ModifyInstanceAttribute: attributes.ModifyInstanceAttribute,
    ModifyInstanceMetadataOptions: attributes.ModifyInstanceMetadataOptions,
    RebootInstances,
    RevokeSecurityGroupEgress: securityGroups.RevokeSecurityGroupEgress,
    RevokeSecurityGroupIngress: securityGroups.RevokeSecurityGroupIngress,
    RunInstances,
    StartInstances,
    StopInstances,
    TerminateInstances,
  },
  partial: {
    AuthorizeSecurityGroupEgress:
      'Egress rules are kept and shown; packets that leave a machine are not held against them.',
    RevokeSecurityGroupEgress:
      'Egress rules are kept and shown; packets that leave a machine are not held against them.',
    DescribeInstanceStatus: 'Instance and system checks pass for every running machine; nothing probes it.',
    RunInstances:
      'No block device mappings, launch templates, several network interfaces, spot or dedicated hosts: they are refused.',
    ModifyInstanceAttribute: 'sourceDestCheck is kept and shown, and changes no packet.',
  },
  access,
  routes: [metadataDoor],
  reconcilers: [instanceReconciler, rebootReconciler, ingressReconciler],
  provides: [provide(instances, makeInstances)],
  uses: [instanceProfiles, machineAgents],
})
