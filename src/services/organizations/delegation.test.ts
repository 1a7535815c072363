import {
  AttachPolicyCommand,
  CreateOrganizationCommand,
  CreatePolicyCommand,
  DeleteOrganizationCommand,
  DeleteResourcePolicyCommand,
  DescribeOrganizationCommand,
  DescribeResourcePolicyCommand,
  EnablePolicyTypeCommand,
  ListAccountsCommand,
  ListRootsCommand,
  OrganizationsClient,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-organizations'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let organizations: OrganizationsClient
let id: string
let account: string
let member: OrganizationsClient
beforeEach(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  id = (await organizations.send(new CreateOrganizationCommand({}))).Organization?.Id ?? ''
  account = await createAccount(drydock, 'backup')
  const visitor = await drydock.user('visitor', [allow('sts:AssumeRole')])
  member = drydock.client(OrganizationsClient, await enter(drydock, visitor, account))
})
afterEach(() => drydock.close())

const put = (...statements: object[]) =>
  organizations.send(
    new PutResourcePolicyCommand({ Content: JSON.stringify({ Version: '2012-10-17', Statement: statements }) }),
  )
const grant = (change: object = {}) => ({
  Effect: 'Allow',
  Principal: { AWS: account },
  Action: ['organizations:ListRoots', 'organizations:ListAccounts'],
  Resource: '*',
  ...change,
})

test('a member account manages policies of the type that was delegated to it, and no other', async () => {
  const { Roots } = await organizations.send(new ListRootsCommand({}))
  const root = Roots?.[0]?.Id ?? ''
  await organizations.send(new EnablePolicyTypeCommand({ RootId: root, PolicyType: 'BACKUP_POLICY' }))
  const { ResourcePolicy } = await put(
    grant(),
    grant({
      Action: ['organizations:CreatePolicy', 'organizations:AttachPolicy'],
      Resource: [
        `arn:aws:organizations::${drydock.account}:root/${id}/*`,
        `arn:aws:organizations::${drydock.account}:policy/*/backup_policy/*`,
      ],
      Condition: { StringLikeIfExists: { 'organizations:PolicyType': ['BACKUP_POLICY'] } },
    }),
  )
  expect(ResourcePolicy?.ResourcePolicySummary).toEqual({
    Id: expect.stringMatching(/^rp-[a-z0-9]{8}$/),
    Arn: expect.stringMatching(new RegExp(`^arn:aws:organizations::${drydock.account}:resourcepolicy/${id}/rp-`)),
  })
  expect((await member.send(new ListAccountsCommand({}))).Accounts).toHaveLength(2)
  const create = (Type: 'BACKUP_POLICY' | 'SERVICE_CONTROL_POLICY', content: object) =>
    member.send(new CreatePolicyCommand({ Name: 'x', Description: '', Type, Content: JSON.stringify(content) }))
  const { Policy } = await create('BACKUP_POLICY', { plans: {} })
  await member.send(new AttachPolicyCommand({ PolicyId: Policy?.PolicySummary?.Id, TargetId: root }))
  const allowing = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }
  await expect(create('SERVICE_CONTROL_POLICY', allowing)).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringMatching(/no resource-based policy allows the organizations:CreatePolicy action/),
  })
  await expect(
    member.send(new AttachPolicyCommand({ PolicyId: Policy?.PolicySummary?.Id, TargetId: account })),
  ).rejects.toMatchObject({ name: 'AccessDeniedException' })
  // What every member may do it still may; what nobody may give away it may not.
  await member.send(new DescribeOrganizationCommand({}))
  await expect(member.send(new DeleteOrganizationCommand({}))).rejects.toMatchObject({ name: 'AccessDeniedException' })

  await organizations.send(new DeleteResourcePolicyCommand({}))
  await expect(member.send(new ListAccountsCommand({}))).rejects.toMatchObject({ name: 'AccessDeniedException' })
})

test('there is one, or none', async () => {
  const missing = { name: 'ResourcePolicyNotFoundException' }
  await expect(organizations.send(new DescribeResourcePolicyCommand({}))).rejects.toMatchObject(missing)
  await expect(organizations.send(new DeleteResourcePolicyCommand({}))).rejects.toMatchObject(missing)
  const first = await put(grant())
  const second = await put(grant({ Action: 'organizations:List*' }))
  expect(second.ResourcePolicy?.ResourcePolicySummary).toEqual(first.ResourcePolicy?.ResourcePolicySummary)
  const described = await organizations.send(new DescribeResourcePolicyCommand({}))
  expect(described.ResourcePolicy?.Content).toContain('organizations:List*')
})

test.each([
  ['INVALID_RESOURCE_POLICY_JSON', { Effect: 'Perhaps' }],
  ['UNSUPPORTED_ACTION_IN_RESOURCE_POLICY', { Action: 'organizations:CloseAccount' }],
  ['UNSUPPORTED_ACTION_IN_RESOURCE_POLICY', { Action: 'organizations:*' }],
  ['UNSUPPORTED_ACTION_IN_RESOURCE_POLICY', { Action: 's3:GetObject' }],
  ['INVALID_PRINCIPAL', { Principal: { AWS: '999999999999' } }],
  ['INVALID_PRINCIPAL', { Principal: '*' }],
  ['INVALID_PRINCIPAL', { Principal: { Service: 'ec2.amazonaws.com' } }],
  ['UNSUPPORTED_RESOURCE_IN_RESOURCE_POLICY', { Resource: 'arn:aws:s3:::bucket' }],
])('%s: %j', async (Reason, change) => {
  await expect(put(grant(change))).rejects.toMatchObject({ name: 'InvalidInputException', Reason })
})
