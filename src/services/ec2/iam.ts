import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules, Requirement } from '../../kernel/service.ts'
import type { Input, NS } from './operation.ts'
import { kindOf, tagsOf } from './tags.ts'

const requestTags = (specifications: Input<'RunInstances'>['TagSpecifications']): Record<string, string | string[]> => {
  const tags = (specifications ?? []).flatMap(({ Tags = [] }) => Tags)
  if (tags.length === 0) return {}
  return {
    ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
    'aws:TagKeys': tags.map(({ Key = '' }) => Key),
  }
}

/** RunInstances needs its right on each resource it uses or makes ("Actions, resources, and condition keys for Amazon EC2"). */
const runInstances = (input: Input<'RunInstances'>, ctx: Ctx): Requirement[] => {
  const nic = input.NetworkInterfaces?.[0]
  const groups = nic?.Groups ?? input.SecurityGroupIds ?? []
  const context = { 'ec2:InstanceType': input.InstanceType ?? 't2.micro', ...requestTags(input.TagSpecifications) }
  const resources = [
    `arn:aws:ec2:${ctx.region}::image/${input.ImageId ?? '*'}`,
    ctx.arn('instance/*'),
    ctx.arn('network-interface/*'),
    ctx.arn('volume/*'),
    ctx.arn(`subnet/${nic?.SubnetId ?? input.SubnetId ?? '*'}`),
    ...(groups.length > 0 ? groups.map((id) => ctx.arn(`security-group/${id}`)) : [ctx.arn('security-group/*')]),
    ...(input.KeyName ? [ctx.arn(`key-pair/${input.KeyName}`)] : []),
  ]
  const tagged = (input.TagSpecifications ?? []).some(({ Tags = [] }) => Tags.length > 0)
  return [
    { action: 'ec2:RunInstances', resources, context },
    ...(tagged
      ? [
          {
            action: 'ec2:CreateTags',
            resources: [ctx.arn('instance/*')],
            context: { ...context, 'ec2:CreateAction': 'RunInstances' },
          },
        ]
      : []),
  ]
}

const instances = ({ InstanceIds }: { readonly InstanceIds?: readonly string[] | undefined }, ctx: Ctx) => ({
  resources: (InstanceIds ?? []).map((id) => ctx.arn(`instance/${id}`)),
})
const instance = ({ InstanceId }: { readonly InstanceId?: string | undefined }, ctx: Ctx) => ({
  resources: [ctx.arn(`instance/${InstanceId ?? '*'}`)],
})
const group = ({ GroupId }: { readonly GroupId?: string | undefined }, ctx: Ctx) => ({
  resources: [ctx.arn(`security-group/${GroupId ?? '*'}`)],
})
const tagging = ({ Resources }: { readonly Resources?: readonly string[] | undefined }, ctx: Ctx) => ({
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
    AuthorizeSecurityGroupIngress: group,
    AuthorizeSecurityGroupEgress: group,
    RevokeSecurityGroupIngress: group,
    RevokeSecurityGroupEgress: group,
    DeleteSecurityGroup: group,
    CreateTags: tagging,
    DeleteTags: tagging,
  },
  resourceTags: (ctx, arn) => {
    const id = arn.split('/').at(-1) ?? ''
    return /^[a-z]+-[0-9a-f]+$/.test(id) ? ctx.read((tx) => tagsOf(tx, id)) : Promise.resolve(undefined)
  },
}
