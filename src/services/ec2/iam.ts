import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules, Requirement } from '../../kernel/service.ts'
import type { ReadTx } from '../../store/store.ts'
import { associated } from './attributes.ts'
import { KeyPair } from './key-pairs.ts'
import type { Input, NS } from './operation.ts'
import { SecurityGroup } from './security-groups.ts'
import { kindOf, tagsOf, type WireTag } from './tag.ts'
import { Vpc } from './vpcs.ts'

type Context = NonNullable<Requirement['context']>

const tagContext = (tags: readonly WireTag[]): Context =>
  tags.length === 0
    ? {}
    : {
        ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
        'aws:TagKeys': tags.map(({ Key = '' }) => Key),
      }

type Specifications = Input<'RunInstances'>['TagSpecifications']
const tagsFor = (specifications: Specifications, kind: string): WireTag[] =>
  (specifications ?? []).filter(({ ResourceType }) => ResourceType === kind).flatMap(({ Tags = [] }) => Tags)

/** Tags given while a resource is made need `ec2:CreateTags` too ("Grant permission to tag resources during creation"). */
const tagging = (ctx: Ctx, action: string, specifications: Specifications, kind: string, context: Context = {}) => {
  const tags = tagsFor(specifications, kind)
  const resources = [ctx.arn(`${kind}/*`)]
  return tags.length === 0
    ? []
    : [
        {
          action: 'ec2:CreateTags',
          resources,
          context: { ...context, ...tagContext(tags), 'ec2:CreateAction': action },
        },
      ]
}

const creating =
  (action: string, kind: string) =>
  (input: { readonly TagSpecifications?: Specifications }, ctx: Ctx): Requirement[] => [
    {
      action: `ec2:${action}`,
      resources: [ctx.arn(`${kind}/*`)],
      context: tagContext(tagsFor(input.TagSpecifications, kind)),
    },
    ...tagging(ctx, action, input.TagSpecifications, kind),
  ]

const createSecurityGroup = async (input: Input<'CreateSecurityGroup'>, ctx: Ctx): Promise<Requirement[]> => {
  const [vpc] = await ctx.read((tx) => tx.list(Vpc, { index: 'isDefault', equals: 'yes' }))
  return [
    ...creating('CreateSecurityGroup', 'security-group')(input, ctx),
    { action: 'ec2:CreateSecurityGroup', resources: [ctx.arn(`vpc/${input.VpcId ?? vpc?.id ?? '*'}`)] },
  ]
}

/**
 * RunInstances needs its right on each resource that it uses or makes, and each has condition keys of its own
 * ("Actions, resources, and condition keys for Amazon EC2").
 */
const runInstances = (input: Input<'RunInstances'>, ctx: Ctx): Requirement[] => {
  const nic = input.NetworkInterfaces?.[0]
  const groups = nic?.Groups ?? input.SecurityGroupIds ?? []
  const zone = input.Placement?.AvailabilityZone
  const { HttpTokens = 'optional', HttpEndpoint = 'enabled', HttpPutResponseHopLimit = 1 } = input.MetadataOptions ?? {}
  const { Arn, Name } = input.IamInstanceProfile ?? {}
  const profile = Arn ?? (Name && `arn:aws:iam::${ctx.account}:instance-profile/${Name}`)
  const placed: Context = zone ? { 'ec2:AvailabilityZone': zone } : {}
  const instance: Context = {
    ...placed,
    'ec2:InstanceType': input.InstanceType ?? 't2.micro',
    'ec2:ImageID': input.ImageId,
    'ec2:Tenancy': 'default',
    'ec2:RootDeviceType': 'ebs',
    'ec2:EbsOptimized': 'false',
    'ec2:MetadataHttpTokens': HttpTokens,
    'ec2:MetadataHttpEndpoint': HttpEndpoint,
    'ec2:MetadataHttpPutResponseHopLimit': String(HttpPutResponseHopLimit),
    'ec2:InstanceProfile': profile,
  }
  const needs = (resource: string, context: Context = {}): Requirement => ({
    action: 'ec2:RunInstances',
    resources: [resource],
    context: { 'ec2:Region': ctx.region, ...context },
  })
  const subnet = nic?.SubnetId ?? input.SubnetId
  return [
    needs(`arn:aws:ec2:${ctx.region}::image/${input.ImageId ?? '*'}`, {
      'ec2:ImageID': input.ImageId,
      'ec2:ImageType': 'machine',
      'ec2:Owner': 'amazon',
      'ec2:Public': 'true',
      'ec2:RootDeviceType': 'ebs',
    }),
    needs(ctx.arn('instance/*'), { ...instance, ...tagContext(tagsFor(input.TagSpecifications, 'instance')) }),
    needs(ctx.arn('network-interface/*'), {
      ...placed,
      ...tagContext(tagsFor(input.TagSpecifications, 'network-interface')),
    }),
    needs(ctx.arn('volume/*'), placed),
    needs(ctx.arn(`subnet/${subnet ?? '*'}`), { ...placed, 'ec2:SubnetID': subnet }),
    ...(groups.length > 0 ? groups : ['*']).map((id) => needs(ctx.arn(`security-group/${id}`))),
    ...(input.KeyName ? [needs(ctx.arn(`key-pair/${input.KeyName}`), { 'ec2:KeyPairName': input.KeyName })] : []),
    ...tagging(ctx, 'RunInstances', input.TagSpecifications, 'instance', instance),
    ...tagging(ctx, 'RunInstances', input.TagSpecifications, 'network-interface', placed),
  ]
}

const instances = ({ InstanceIds }: { readonly InstanceIds?: readonly string[] | undefined }, ctx: Ctx) => ({
  resources: (InstanceIds ?? []).map((id) => ctx.arn(`instance/${id}`)),
})
const instance = ({ InstanceId }: { readonly InstanceId?: string | undefined }, ctx: Ctx) => ({
  resources: [ctx.arn(`instance/${InstanceId ?? '*'}`)],
})
const association = async ({ AssociationId }: { readonly AssociationId?: string | undefined }, ctx: Ctx) => {
  const found = await ctx.read((tx) => associated(tx, AssociationId ?? ''))
  return { resources: [ctx.arn(`instance/${found?.id ?? '*'}`)] }
}
/** A group may be named, and is then one of the default VPC. */
const group = async (
  { GroupId, GroupName }: { readonly GroupId?: string | undefined; readonly GroupName?: string | undefined },
  ctx: Ctx,
) => {
  const id = GroupId ?? (GroupName && (await ctx.read((tx) => named(tx, GroupName))))
  return { resources: [ctx.arn(`security-group/${id ?? '*'}`)] }
}
const named = async (tx: ReadTx, name: string): Promise<string | undefined> => {
  const [vpc] = await tx.list(Vpc, { index: 'isDefault', equals: 'yes' })
  const [found] = vpc ? await tx.list(SecurityGroup, { index: 'name', equals: `${vpc.id}\0${name}` }) : []
  return found?.id
}
const tagged = ({ Resources }: { readonly Resources?: readonly string[] | undefined }, ctx: Ctx) => ({
  resources: (Resources ?? []).map((id) => ctx.arn(`${kindOf(id) ?? '*'}/${id}`)),
})

export const access: AccessRules<NS> = {
  operations: {
    RunInstances: runInstances,
    StartInstances: instances,
    StopInstances: instances,
    RebootInstances: instances,
    TerminateInstances: instances,
    ModifyInstanceAttribute: instance,
    ModifyInstanceMetadataOptions: instance,
    GetConsoleOutput: instance,
    AssociateIamInstanceProfile: instance,
    DisassociateIamInstanceProfile: association,
    AuthorizeSecurityGroupIngress: group,
    AuthorizeSecurityGroupEgress: group,
    RevokeSecurityGroupIngress: group,
    RevokeSecurityGroupEgress: group,
    DeleteSecurityGroup: group,
    CreateSecurityGroup: createSecurityGroup,
    CreateKeyPair: creating('CreateKeyPair', 'key-pair'),
    ImportKeyPair: creating('ImportKeyPair', 'key-pair'),
    CreateTags: tagged,
    DeleteTags: tagged,
  },
  resourceTags: async (ctx, arn) => {
    const [kind, id = ''] = arn.split(':').at(-1)?.split('/') ?? []
    if (kind === 'key-pair')
      return ctx.read(async (tx) => {
        const pair = await tx.get(KeyPair, id)
        return tagsOf(tx, pair?.id ?? id)
      })
    return kindOf(id) ? ctx.read((tx) => tagsOf(tx, id)) : undefined
  },
}
