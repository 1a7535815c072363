import { requestTags } from '../../kernel/authorize.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { ReadTx } from '../../store/store.ts'
import { associated } from './attributes.ts'
import { KeyPair } from './key-pairs.ts'
import type { Input, NS } from './operation.ts'
import { everyInstance, type Keys, keyPairKeys, keysOf, metadataKeys, zoneKeys } from './resource-keys.ts'
import { SecurityGroup } from './security-groups.ts'
import { kindOf, tagsOf, type WireTag } from './tag.ts'
import { Subnet, Vpc } from './vpcs.ts'

type Specifications = Input<'RunInstances'>['TagSpecifications']
const tagsFor = (specifications: Specifications, kind: string): WireTag[] =>
  (specifications ?? []).filter(({ ResourceType }) => ResourceType === kind).flatMap(({ Tags = [] }) => Tags)
const tagKeysFor = (specifications: Specifications, kind: string): Keys =>
  requestTags({ Tags: tagsFor(specifications, kind) })

/** Tags given while a resource is made need `ec2:CreateTags` too ("Grant permission to tag resources during creation"). */
const tagging = (ctx: Ctx, action: string, specifications: Specifications, kind: string, keys: Keys = {}) =>
  tagsFor(specifications, kind).length === 0
    ? []
    : [
        {
          action: 'ec2:CreateTags',
          resources: [ctx.arn(`${kind}/*`)],
          context: { ...keys, ...tagKeysFor(specifications, kind), 'ec2:CreateAction': action },
        },
      ]

const creating =
  <I extends { readonly TagSpecifications?: Specifications }>(
    action: string,
    kind: string,
    keysFor: (input: I) => Keys = () => ({}),
  ) =>
  (input: I, ctx: Ctx): Requirement[] => {
    const keys = keysFor(input)
    return [
      {
        action: `ec2:${action}`,
        resources: [ctx.arn(`${kind}/*`)],
        context: { ...keys, ...tagKeysFor(input.TagSpecifications, kind) },
      },
      ...tagging(ctx, action, input.TagSpecifications, kind, keys),
    ]
  }

const defaultVpcId = async (tx: ReadTx): Promise<string | undefined> =>
  (await tx.list(Vpc, { index: 'isDefault', equals: 'yes' }))[0]?.id

const createSecurityGroup = async (input: Input<'CreateSecurityGroup'>, ctx: Ctx): Promise<Requirement[]> => {
  const { id, keys } = await ctx.read(async (tx) => {
    const id = input.VpcId ?? (await defaultVpcId(tx))
    return { id, keys: id === undefined ? {} : await keysOf(tx, ctx.arn, id) }
  })
  return [
    ...creating<Input<'CreateSecurityGroup'>>('CreateSecurityGroup', 'security-group')(input, ctx),
    { action: 'ec2:CreateSecurityGroup', resources: [ctx.arn(`vpc/${id ?? '*'}`)], context: keys },
  ]
}

type Options = NonNullable<Input<'RunInstances'>['MetadataOptions']>
const metadata = ({ HttpTokens, HttpEndpoint, HttpPutResponseHopLimit, InstanceMetadataTags }: Options): Keys =>
  metadataKeys({
    tokens: HttpTokens ?? 'optional',
    endpoint: HttpEndpoint ?? 'enabled',
    hopLimit: HttpPutResponseHopLimit ?? 1,
    tags: InstanceMetadataTags ?? 'disabled',
  })

const profileArn = (
  ctx: Ctx,
  { Arn, Name }: { readonly Arn?: string | undefined; readonly Name?: string | undefined } = {},
): string | undefined => Arn ?? (Name && `arn:aws:iam::${ctx.account}:instance-profile/${Name}`)

/**
 * RunInstances needs its right on each resource that it uses or makes, and each has condition keys of its own
 * ("Actions, resources, and condition keys for Amazon EC2").
 */
const runInstances = async (input: Input<'RunInstances'>, ctx: Ctx): Promise<Requirement[]> => {
  const { ImageId, KeyName, TagSpecifications } = input
  const nic = input.NetworkInterfaces?.[0]
  const groups = nic?.Groups ?? input.SecurityGroupIds ?? []
  const subnetId = nic?.SubnetId ?? input.SubnetId
  const used = await ctx.read(async (tx) => {
    const subnet = subnetId === undefined ? undefined : await tx.get(Subnet, subnetId)
    return {
      vpcId: subnet?.vpcId ?? (await defaultVpcId(tx)),
      zone: subnet?.zone ?? input.Placement?.AvailabilityZone,
      groups: await Promise.all(groups.map((id) => keysOf(tx, ctx.arn, id))),
      keyPair: KeyName === undefined ? {} : await keyPairKeys(tx, KeyName),
    }
  })
  const placed = zoneKeys(used.zone)
  const inVpc: Keys = used.vpcId === undefined ? {} : { 'ec2:Vpc': ctx.arn(`vpc/${used.vpcId}`) }
  const instance: Keys = {
    ...everyInstance,
    ...placed,
    ...metadata(input.MetadataOptions ?? {}),
    'ec2:InstanceType': input.InstanceType ?? 't2.micro',
    'ec2:ImageID': ImageId,
    'ec2:InstanceProfile': profileArn(ctx, input.IamInstanceProfile),
  }
  const networkInterface: Keys = {
    ...placed,
    ...inVpc,
    'ec2:Subnet': subnetId && ctx.arn(`subnet/${subnetId}`),
    'ec2:AssociatePublicIpAddress':
      nic?.AssociatePublicIpAddress === undefined ? undefined : String(nic.AssociatePublicIpAddress),
  }
  const needs = (resource: string, context: Keys = {}): Requirement => ({
    action: 'ec2:RunInstances',
    resources: [resource],
    context,
  })
  return [
    needs(`arn:aws:ec2:${ctx.region}::image/${ImageId ?? '*'}`, {
      'ec2:ImageID': ImageId,
      'ec2:ImageType': 'machine',
      'ec2:Owner': 'amazon',
      'ec2:Public': 'true',
      'ec2:RootDeviceType': 'ebs',
    }),
    needs(ctx.arn('instance/*'), { ...instance, ...tagKeysFor(TagSpecifications, 'instance') }),
    needs(ctx.arn('network-interface/*'), {
      ...networkInterface,
      ...tagKeysFor(TagSpecifications, 'network-interface'),
    }),
    needs(ctx.arn('volume/*'), { ...placed, ...tagKeysFor(TagSpecifications, 'volume') }),
    needs(ctx.arn(`subnet/${subnetId ?? '*'}`), { ...placed, ...inVpc, 'ec2:SubnetID': subnetId }),
    ...(groups.length > 0
      ? groups.map((id, at) => needs(ctx.arn(`security-group/${id}`), used.groups[at]))
      : [needs(ctx.arn('security-group/*'), inVpc)]),
    ...(KeyName ? [needs(ctx.arn(`key-pair/${KeyName}`), used.keyPair)] : []),
    ...tagging(ctx, 'RunInstances', TagSpecifications, 'instance', instance),
    ...tagging(ctx, 'RunInstances', TagSpecifications, 'network-interface', networkInterface),
    ...tagging(ctx, 'RunInstances', TagSpecifications, 'volume', placed),
  ]
}

/** An action on resources that are there, each with its own condition keys. */
const onResources = async (
  ctx: Ctx,
  action: string,
  ids: readonly (string | undefined)[],
  kind?: string,
  context: Keys = {},
): Promise<Requirement[]> => {
  const keys = await ctx.read((tx) => Promise.all(ids.map((id) => (id ? keysOf(tx, ctx.arn, id) : {}))))
  const arnOf = (id: string | undefined) => ctx.arn(`${kind ?? (id && kindOf(id)) ?? '*'}/${id ?? '*'}`)
  return ids.map((id, at) => ({
    action: `ec2:${action}`,
    resources: [arnOf(id)],
    context: { ...keys[at], ...context },
  }))
}

type OfInstances = { readonly InstanceIds?: readonly string[] | undefined }
const onInstances =
  (action: string) =>
  ({ InstanceIds }: OfInstances, ctx: Ctx): Promise<Requirement[]> =>
    onResources(ctx, action, InstanceIds ?? [undefined], 'instance')

type OfInstance = { readonly InstanceId?: string | undefined }
const onInstance =
  <I extends OfInstance>(action: string, keysFor: (input: I, ctx: Ctx) => Keys = () => ({})) =>
  (input: I, ctx: Ctx): Promise<Requirement[]> =>
    onResources(ctx, action, [input.InstanceId], 'instance', keysFor(input, ctx))

/** What is being set on an instance: `ec2:Attribute` names it, `ec2:Attribute/NAME` has its new value. */
const attributeKeys = (input: OfInstance): Keys => {
  const { InstanceId: _id, DryRun: _dry, Attribute, Value, ...set } = input as Record<string, unknown>
  if (typeof Attribute === 'string') set[Attribute.charAt(0).toUpperCase() + Attribute.slice(1)] = Value ?? ''
  const names = Object.keys(set)
  const valued = names.map((name): [string, unknown] => {
    const given = set[name]
    return [name, given && typeof given === 'object' && 'Value' in given ? given.Value : given]
  })
  const scalar = valued.filter(([, value]) => /^(string|number|boolean)$/.test(typeof value))
  return {
    'ec2:Attribute': names.length > 0 ? names : undefined,
    ...Object.fromEntries(scalar.map(([name, value]) => [`ec2:Attribute/${name}`, String(value)])),
  }
}

/** Security groups that it is to have need the right as well. */
const modifyInstanceAttribute = async (input: Input<'ModifyInstanceAttribute'>, ctx: Ctx): Promise<Requirement[]> => [
  ...(await onInstance('ModifyInstanceAttribute', attributeKeys)(input, ctx)),
  ...(await onResources(ctx, 'ModifyInstanceAttribute', input.Groups ?? [], 'security-group')),
]

const disassociate = async ({ AssociationId }: Input<'DisassociateIamInstanceProfile'>, ctx: Ctx) => {
  const found = await ctx.read((tx) => associated(tx, AssociationId ?? ''))
  return onResources(ctx, 'DisassociateIamInstanceProfile', [found?.id], 'instance')
}

/** A group may be named, and is then one of the default VPC. */
type OfGroup = {
  readonly GroupId?: string | undefined
  readonly GroupName?: string | undefined
  readonly TagSpecifications?: Specifications
}
const onGroup =
  (action: string) =>
  async ({ GroupId, GroupName, TagSpecifications }: OfGroup, ctx: Ctx): Promise<Requirement[]> => {
    const id = GroupId ?? (GroupName && (await ctx.read((tx) => named(tx, GroupName))))
    const made = tagsFor(TagSpecifications, 'security-group-rule').length > 0
    return [
      ...(await onResources(ctx, action, [id], 'security-group')),
      ...(made ? creating(action, 'security-group-rule')({ TagSpecifications }, ctx) : []),
    ]
  }
const named = async (tx: ReadTx, name: string): Promise<string | undefined> => {
  const vpc = await defaultVpcId(tx)
  const [found] = vpc ? await tx.list(SecurityGroup, { index: 'name', equals: `${vpc}\0${name}` }) : []
  return found?.id
}

const onKeyPair = async (input: Input<'DeleteKeyPair'>, ctx: Ctx): Promise<Partial<Requirement>> => {
  const { KeyName: name, KeyPairId: id } = input
  const found = await ctx.read(async (tx) =>
    name === undefined ? (await tx.list(KeyPair)).find((one) => one.id === id) : tx.get(KeyPair, name),
  )
  return {
    resources: [ctx.arn(`key-pair/${found?.name ?? name ?? '*'}`)],
    context: { 'ec2:KeyPairName': found?.name ?? name, 'ec2:KeyPairType': found?.type },
  }
}

type Tagged = { readonly Resources?: readonly string[] | undefined; readonly Tags?: readonly unknown[] | undefined }
const tagged =
  (action: string) =>
  (input: Tagged, ctx: Ctx): Promise<Requirement[]> =>
    onResources(ctx, action, input.Resources ?? [undefined], undefined, requestTags(input))

const rules: AccessRules<NS>['operations'] = {
  RunInstances: runInstances,
  StartInstances: onInstances('StartInstances'),
  StopInstances: onInstances('StopInstances'),
  RebootInstances: onInstances('RebootInstances'),
  TerminateInstances: onInstances('TerminateInstances'),
  DescribeInstanceAttribute: onInstance('DescribeInstanceAttribute'),
  ModifyInstanceAttribute: modifyInstanceAttribute,
  ModifyInstanceMetadataOptions: onInstance('ModifyInstanceMetadataOptions', attributeKeys),
  GetConsoleOutput: onInstance('GetConsoleOutput'),
  AssociateIamInstanceProfile: onInstance<Input<'AssociateIamInstanceProfile'>>(
    'AssociateIamInstanceProfile',
    ({ IamInstanceProfile }, ctx) => ({ 'ec2:NewInstanceProfile': profileArn(ctx, IamInstanceProfile) }),
  ),
  DisassociateIamInstanceProfile: disassociate,
  AuthorizeSecurityGroupIngress: onGroup('AuthorizeSecurityGroupIngress'),
  AuthorizeSecurityGroupEgress: onGroup('AuthorizeSecurityGroupEgress'),
  RevokeSecurityGroupIngress: onGroup('RevokeSecurityGroupIngress'),
  RevokeSecurityGroupEgress: onGroup('RevokeSecurityGroupEgress'),
  DeleteSecurityGroup: onGroup('DeleteSecurityGroup'),
  CreateSecurityGroup: createSecurityGroup,
  CreateKeyPair: creating<Input<'CreateKeyPair'>>('CreateKeyPair', 'key-pair', ({ KeyName, KeyType }) => ({
    'ec2:KeyPairName': KeyName,
    'ec2:KeyPairType': KeyType ?? 'rsa',
  })),
  ImportKeyPair: creating<Input<'ImportKeyPair'>>('ImportKeyPair', 'key-pair', ({ KeyName }) => ({
    'ec2:KeyPairName': KeyName,
  })),
  DeleteKeyPair: onKeyPair,
  CreateTags: tagged('CreateTags'),
  DeleteTags: tagged('DeleteTags'),
}

/** Every action of EC2 has its region as a condition key, whether the operation has a rule of its own or not. */
const inRegion =
  (rule: AccessRule<never> | undefined): AccessRule<never> =>
  async (input, ctx) => {
    const region = { 'ec2:Region': ctx.region }
    const given = rule ? await rule(input, ctx) : {}
    if (Array.isArray(given))
      return given.map((one: Requirement) => ({ ...one, context: { ...region, ...one.context } }))
    const part = given as Partial<Requirement>
    return { ...part, context: { ...region, ...part.context } }
  }

/** How these operations are authorized. */
export const accessTo = (operations: Readonly<Record<string, unknown>>): AccessRules<NS> => ({
  operations: Object.fromEntries(
    Object.keys(operations).map((name) => [
      name,
      inRegion((rules as Readonly<Record<string, AccessRule<never> | undefined>>)[name]),
    ]),
  ),
  resourceTags: async (ctx, arn) => {
    const [kind, id = ''] = arn.split(':').at(-1)?.split('/') ?? []
    if (kind === 'key-pair')
      return ctx.read(async (tx) => {
        const pair = await tx.get(KeyPair, id)
        return tagsOf(tx, pair?.id ?? id)
      })
    return kindOf(id) ? ctx.read((tx) => tagsOf(tx, id)) : undefined
  },
})
