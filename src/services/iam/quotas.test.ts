import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import type { Table } from '../../store/store.ts'
import { Group, InstanceProfiles, Policy, Role, User } from './records.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`
const text = (document: object) => JSON.stringify(document)
const exceeded = (message: string) => expect.objectContaining({ name: 'LimitExceededException', message })
const times = async (count: number, make: (index: number) => Promise<unknown>) => {
  for (let index = 0; index < count; index++) await make(index)
}
/** A document of at least this many characters, white space not counted. */
const documentOf = (size: number) => text(allow('s3:*', `arn:aws:s3:::${'a'.repeat(size)}`))
const trustOf = (size: number) =>
  text({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'ec2.amazonaws.com' },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'aws:SourceArn': 'a'.repeat(size) } },
      },
    ],
  })

test('entities of an account', async () => {
  // Another account's, so that its lists are empty but for these; written at once, since thousands of calls take long.
  const full = await story({ config: { account: '111111111111' } })
  const service = full.server.kernel.services.get('iam')!
  const ctx = full.server.kernel.ownContext(service, { account: full.account, region: full.region })
  const record = (index: number) => ({
    name: `n-${index}`,
    path: '/',
    id: `ID${index}`,
    created: 0,
    updated: 0,
    inline: {},
    tags: {},
    trust: '{}',
    maxSessionDuration: 3600,
    versions: [],
    default: 'v1',
    last: 1,
  })
  await ctx.write(async (tx) => {
    for (const [table, quota] of [
      [User, 5000],
      [Group, 300],
      [Role, 1000],
      [Policy, 1500],
      [InstanceProfiles, 1000],
    ] as const)
      for (let index = 0; index < quota; index++) tx.put<object>(table as unknown as Table<object>, record(index))
  })
  const client = full.client(sdk.IAMClient)
  const commands = [
    ['Users', 5000, new sdk.CreateUserCommand({ UserName: 'more' })],
    ['Groups', 300, new sdk.CreateGroupCommand({ GroupName: 'more' })],
    ['Roles', 1000, new sdk.CreateRoleCommand({ RoleName: 'more', AssumeRolePolicyDocument: trustOf(1) })],
    ['Policies', 1500, new sdk.CreatePolicyCommand({ PolicyName: 'more', PolicyDocument: text(allow('s3:*')) })],
    ['InstanceProfiles', 1000, new sdk.CreateInstanceProfileCommand({ InstanceProfileName: 'more' })],
  ] as const
  for (const [kind, quota, command] of commands)
    await expect(client.send(command as sdk.CreateUserCommand)).rejects.toThrow(
      exceeded(`Cannot exceed quota for ${kind}PerAccount: ${quota}`),
    )
  // Service-linked roles alone may exceed it.
  await client.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName: 'ecs.amazonaws.com' }))
  await full.close()
})

test('groups of a user, and policies of each', async () => {
  await iam.send(new sdk.CreateUserCommand({ UserName: 'joiner' }))
  const join = async (index: number) => {
    const GroupName = `club-${index}`
    await iam.send(new sdk.CreateGroupCommand({ GroupName }))
    await iam.send(new sdk.AddUserToGroupCommand({ GroupName, UserName: 'joiner' }))
  }
  await times(10, join)
  await expect(join(10)).rejects.toThrow(exceeded('Cannot exceed quota for GroupsPerUser: 10'))

  await drydock.role('holder', 'ec2.amazonaws.com')
  await times(11, (index) =>
    iam.send(new sdk.CreatePolicyCommand({ PolicyName: `p-${index}`, PolicyDocument: text(allow('s3:*')) })),
  )
  const kinds = [
    ['User', (PolicyArn: string) => new sdk.AttachUserPolicyCommand({ UserName: 'joiner', PolicyArn })],
    ['Group', (PolicyArn: string) => new sdk.AttachGroupPolicyCommand({ GroupName: 'club-0', PolicyArn })],
    ['Role', (PolicyArn: string) => new sdk.AttachRolePolicyCommand({ RoleName: 'holder', PolicyArn })],
  ] as const
  for (const [kind, command] of kinds) {
    const attach = (index: number) => iam.send(command(arn(`policy/p-${index}`)) as sdk.AttachUserPolicyCommand)
    await times(10, attach)
    await attach(0)
    await expect(attach(10)).rejects.toThrow(exceeded(`Cannot exceed quota for PoliciesPer${kind}: 10`))
  }
})

test('sizes of documents', async () => {
  const create = (size: number) =>
    iam.send(new sdk.CreatePolicyCommand({ PolicyName: `size-${size}`, PolicyDocument: `\n ${documentOf(size)} \n` }))
  const bare = documentOf(0).length
  await create(6144 - bare)
  await expect(create(6145 - bare)).rejects.toThrow(exceeded('Cannot exceed quota for PolicySize: 6144'))

  const trusted = (size: number) =>
    iam.send(
      new sdk.CreateRoleCommand({
        RoleName: `trust-${size}`,
        AssumeRolePolicyDocument: trustOf(size - trustOf(0).length),
      }),
    )
  await trusted(2048)
  await expect(trusted(2049)).rejects.toThrow(exceeded('Cannot exceed quota for ACLSizePerRole: 2048'))

  await iam.send(new sdk.CreateUserCommand({ UserName: 'wordy' }))
  await iam.send(new sdk.CreateGroupCommand({ GroupName: 'wordy' }))
  const kinds = [
    [
      'user',
      2048,
      (PolicyName: string, PolicyDocument: string) =>
        new sdk.PutUserPolicyCommand({ UserName: 'wordy', PolicyName, PolicyDocument }),
    ],
    [
      'group',
      5120,
      (PolicyName: string, PolicyDocument: string) =>
        new sdk.PutGroupPolicyCommand({ GroupName: 'wordy', PolicyName, PolicyDocument }),
    ],
    [
      'role',
      10240,
      (PolicyName: string, PolicyDocument: string) =>
        new sdk.PutRolePolicyCommand({ RoleName: 'trust-2048', PolicyName, PolicyDocument }),
    ],
  ] as const
  for (const [kind, quota, command] of kinds) {
    const put = (name: string, size: number) => iam.send(command(name, documentOf(size)) as sdk.PutUserPolicyCommand)
    const name = kind === 'role' ? 'trust-2048' : 'wordy'
    await put('one', 1000)
    await put('two', quota - 1000 - 2 * bare)
    await expect(put('three', 0)).rejects.toThrow(
      exceeded(`Maximum policy size of ${quota} bytes exceeded for ${kind} ${name}`),
    )
    // In place of one of the same name it counts alone.
    await put('two', 10)
  }
})

test('tags of each kind: fifty, no two of one name in any case, none of AWS’s', async () => {
  const tags = (count: number) => Array.from({ length: count }, (_, index) => ({ Key: `key-${index}`, Value: '' }))
  await iam.send(
    new sdk.CreatePolicyCommand({ PolicyName: 'tagged', PolicyDocument: text(allow('s3:*')), Tags: tags(49) }),
  )
  await iam.send(new sdk.CreateUserCommand({ UserName: 'tagged', Tags: tags(49) }))
  await iam.send(
    new sdk.CreateRoleCommand({ RoleName: 'tagged', AssumeRolePolicyDocument: trustOf(1), Tags: tags(49) }),
  )
  await iam.send(new sdk.CreateInstanceProfileCommand({ InstanceProfileName: 'tagged', Tags: tags(49) }))
  const kinds = [
    (Tags: sdk.Tag[]) => new sdk.TagPolicyCommand({ PolicyArn: arn('policy/tagged'), Tags }),
    (Tags: sdk.Tag[]) => new sdk.TagUserCommand({ UserName: 'tagged', Tags }),
    (Tags: sdk.Tag[]) => new sdk.TagRoleCommand({ RoleName: 'tagged', Tags }),
    (Tags: sdk.Tag[]) => new sdk.TagInstanceProfileCommand({ InstanceProfileName: 'tagged', Tags }),
  ]
  for (const command of kinds) {
    const tag = (...Tags: sdk.Tag[]) => iam.send(command(Tags) as sdk.TagUserCommand)
    await tag({ Key: 'KEY-0', Value: 'over' }, { Key: 'last', Value: '' })
    await expect(tag({ Key: 'more', Value: '' })).rejects.toMatchObject({ name: 'LimitExceededException' })
    await expect(tag({ Key: 'a', Value: '' }, { Key: 'A', Value: '' })).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
    await expect(tag({ Key: 'AWS:mine', Value: '' })).rejects.toMatchObject({ name: 'InvalidInputException' })
  }
})

test('lists by path and page', async () => {
  const Path = `/${'deep/'.repeat(100)}`
  await times(5, async (index) => {
    await iam.send(new sdk.CreateUserCommand({ UserName: `deep-${index}`, Path }))
    await iam.send(
      new sdk.CreatePolicyCommand({ PolicyName: `deep-${index}`, Path, PolicyDocument: text(allow('s3:*')) }),
    )
    const PolicyArn = arn(`policy${Path}deep-${index}`)
    await iam.send(new sdk.AttachUserPolicyCommand({ UserName: 'deep-0', PolicyArn }))
  })
  const names = ['deep-0', 'deep-1', 'deep-2', 'deep-3', 'deep-4']
  const config = { client: iam, pageSize: 2 }
  const users: unknown[] = []
  for await (const page of sdk.paginateListUsers(config, { PathPrefix: '/deep/' }))
    users.push(...(page.Users ?? []).map(({ UserName }) => UserName))
  expect(users).toEqual(names)
  const policies: unknown[] = []
  for await (const page of sdk.paginateListPolicies(config, { PathPrefix: Path, Scope: 'Local' }))
    policies.push(...(page.Policies ?? []).map(({ PolicyName }) => PolicyName))
  expect(policies).toEqual(names)
  const attached: unknown[] = []
  for await (const page of sdk.paginateListAttachedUserPolicies(config, { UserName: 'deep-0', PathPrefix: Path }))
    attached.push(...(page.AttachedPolicies ?? []).map(({ PolicyName }) => PolicyName))
  expect(attached).toEqual(names)
})
