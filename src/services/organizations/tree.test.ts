import {
  CreateOrganizationalUnitCommand,
  CreateOrganizationCommand,
  DeleteOrganizationalUnitCommand,
  DeleteOrganizationCommand,
  DescribeAccountCommand,
  DescribeOrganizationalUnitCommand,
  DescribeOrganizationCommand,
  ListAccountsCommand,
  ListAccountsForParentCommand,
  ListChildrenCommand,
  ListOrganizationalUnitsForParentCommand,
  ListParentsCommand,
  ListRootsCommand,
  ListTagsForResourceCommand,
  MoveAccountCommand,
  OrganizationsClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateOrganizationalUnitCommand,
} from '@aws-sdk/client-organizations'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Story, story } from '../../../test/story.ts'

// The organization itself, its root, units, and where accounts are.

let drydock: Story
let organizations: OrganizationsClient
let id: string
let root: string
beforeAll(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  const { Organization } = await organizations.send(new CreateOrganizationCommand({}))
  id = Organization?.Id ?? ''
  root = (await organizations.send(new ListRootsCommand({}))).Roots?.[0]?.Id ?? ''
})
afterAll(() => drydock.close())

const unit = async (Name: string, ParentId = root): Promise<string> => {
  const made = await organizations.send(new CreateOrganizationalUnitCommand({ ParentId, Name }))
  return made.OrganizationalUnit?.Id ?? ''
}

test('the account that creates it is its management account, and cannot be in another', async () => {
  const { Organization } = await organizations.send(new DescribeOrganizationCommand({}))
  expect(Organization).toMatchObject({
    Id: expect.stringMatching(/^o-[a-z0-9]{10}$/),
    Arn: `arn:aws:organizations::${drydock.account}:organization/${id}`,
    FeatureSet: 'ALL',
    MasterAccountId: drydock.account,
    MasterAccountArn: `arn:aws:organizations::${drydock.account}:account/${id}/${drydock.account}`,
  })
  const { Roots } = await organizations.send(new ListRootsCommand({}))
  expect(Roots).toEqual([
    {
      Id: expect.stringMatching(/^r-[a-z0-9]{4}$/),
      Arn: `arn:aws:organizations::${drydock.account}:root/${id}/${root}`,
      Name: 'Root',
      PolicyTypes: [],
    },
  ])
  await expect(organizations.send(new CreateOrganizationCommand({}))).rejects.toMatchObject({
    name: 'AlreadyInOrganizationException',
    message: 'The AWS account is already a member of an organization.',
  })
})

test('without an organization there is nothing to describe; deleting one needs it to be empty', async () => {
  const other = await story()
  const client = other.client(OrganizationsClient)
  await expect(client.send(new DescribeOrganizationCommand({}))).rejects.toMatchObject({
    name: 'AWSOrganizationsNotInUseException',
    message: 'Your account is not a member of an organization.',
  })
  await client.send(new CreateOrganizationCommand({}))
  await createAccount(other, 'dev')
  await expect(client.send(new DeleteOrganizationCommand({}))).rejects.toMatchObject({
    name: 'OrganizationNotEmptyException',
  })
  await other.close()

  const empty = await story()
  const alone = empty.client(OrganizationsClient)
  await alone.send(new CreateOrganizationCommand({}))
  const { Roots } = await alone.send(new ListRootsCommand({}))
  await alone.send(new CreateOrganizationalUnitCommand({ ParentId: Roots?.[0]?.Id, Name: 'Left' }))
  await alone.send(new DeleteOrganizationCommand({}))
  await expect(alone.send(new ListRootsCommand({}))).rejects.toMatchObject({
    name: 'AWSOrganizationsNotInUseException',
  })
  await alone.send(new CreateOrganizationCommand({ FeatureSet: 'CONSOLIDATED_BILLING' }))
  const { Organization } = await alone.send(new DescribeOrganizationCommand({}))
  expect(Organization?.FeatureSet).toBe('CONSOLIDATED_BILLING')
  await empty.close()
})

test('who may not make the service-linked role makes no organization', async () => {
  const other = await story()
  const keys = await other.user('ana', [allow('organizations:*')])
  await expect(other.client(OrganizationsClient, keys).send(new CreateOrganizationCommand({}))).rejects.toMatchObject({
    name: 'AccessDeniedForDependencyException',
    Reason: 'ACCESS_DENIED_DURING_CREATE_SERVICE_LINKED_ROLE',
  })
  await other.close()
})

test('units nest five deep, and differ by name from their siblings', async () => {
  const top = await unit('Nest')
  await expect(unit('Nest')).rejects.toMatchObject({ name: 'DuplicateOrganizationalUnitException' })
  let parent = top
  const chain = [top]
  for (const name of ['two', 'three', 'four', 'five']) {
    parent = await unit(name, parent)
    chain.push(parent)
  }
  const { OrganizationalUnit } = await organizations.send(
    new DescribeOrganizationalUnitCommand({ OrganizationalUnitId: parent }),
  )
  expect(OrganizationalUnit).toEqual({
    Id: expect.stringMatching(new RegExp(`^ou-${root.slice(2)}-[a-z0-9]{8}$`)),
    Arn: `arn:aws:organizations::${drydock.account}:ou/${id}/${parent}`,
    Name: 'five',
    Path: `${id}/${root}/${chain.join('/')}/`,
  })
  await expect(unit('six', parent)).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'OU_DEPTH_LIMIT_EXCEEDED',
  })
  await expect(unit('x', 'ou-aaaa-bbbbbbbb')).rejects.toMatchObject({ name: 'ParentNotFoundException' })
})

test('a unit is renamed, and deleted when it is empty', async () => {
  const top = await unit('Rename')
  const inside = await unit('Inside', top)
  const renamed = await organizations.send(
    new UpdateOrganizationalUnitCommand({ OrganizationalUnitId: top, Name: 'Renamed' }),
  )
  expect(renamed.OrganizationalUnit).toMatchObject({ Id: top, Name: 'Renamed' })
  await expect(
    organizations.send(new DeleteOrganizationalUnitCommand({ OrganizationalUnitId: top })),
  ).rejects.toMatchObject({ name: 'OrganizationalUnitNotEmptyException' })
  await organizations.send(new DeleteOrganizationalUnitCommand({ OrganizationalUnitId: inside }))
  await organizations.send(new DeleteOrganizationalUnitCommand({ OrganizationalUnitId: top }))
  await expect(
    organizations.send(new DescribeOrganizationalUnitCommand({ OrganizationalUnitId: top })),
  ).rejects.toMatchObject({ name: 'OrganizationalUnitNotFoundException' })
})

test('the tree is walked down and up; an account moves in it', async () => {
  const from = await unit('From')
  const to = await unit('To')
  const account = await createAccount(drydock, 'walker')
  const move = (SourceParentId: string, DestinationParentId: string) =>
    organizations.send(new MoveAccountCommand({ AccountId: account, SourceParentId, DestinationParentId }))
  await move(root, from)
  await expect(move(from, from)).rejects.toMatchObject({ name: 'DuplicateAccountException' })
  await expect(move(root, to)).rejects.toMatchObject({ name: 'SourceParentNotFoundException' })
  await expect(move(from, 'r-zzzz')).rejects.toMatchObject({ name: 'DestinationParentNotFoundException' })
  await move(from, to)

  const children = async (ParentId: string, ChildType: 'ACCOUNT' | 'ORGANIZATIONAL_UNIT') =>
    (await organizations.send(new ListChildrenCommand({ ParentId, ChildType }))).Children
  expect(await children(from, 'ACCOUNT')).toEqual([])
  expect(await children(to, 'ACCOUNT')).toEqual([{ Id: account, Type: 'ACCOUNT' }])
  expect(await children(root, 'ORGANIZATIONAL_UNIT')).toContainEqual({ Id: to, Type: 'ORGANIZATIONAL_UNIT' })
  const parents = async (ChildId: string) => (await organizations.send(new ListParentsCommand({ ChildId }))).Parents
  expect(await parents(account)).toEqual([{ Id: to, Type: 'ORGANIZATIONAL_UNIT' }])
  expect(await parents(to)).toEqual([{ Id: root, Type: 'ROOT' }])
  await expect(parents('999999999999')).rejects.toMatchObject({ name: 'ChildNotFoundException' })
  const { Accounts } = await organizations.send(new ListAccountsForParentCommand({ ParentId: to }))
  expect(Accounts?.map(({ Id }) => Id)).toEqual([account])
  const { Account } = await organizations.send(new DescribeAccountCommand({ AccountId: account }))
  expect(Account).toMatchObject({
    Arn: `arn:aws:organizations::${drydock.account}:account/${id}/${account}`,
    Email: 'walker@example.com',
    Name: 'walker',
    Status: 'ACTIVE',
    State: 'ACTIVE',
    JoinedMethod: 'CREATED',
    Paths: [`${id}/${root}/${to}/${account}/`],
  })
})

test('lists come by pages', async () => {
  const parent = await unit('Pages')
  for (const name of ['a', 'b', 'c', 'd', 'e']) await unit(name, parent)
  const names: string[] = []
  let NextToken: string | undefined
  do {
    const page = await organizations.send(
      new ListOrganizationalUnitsForParentCommand({ ParentId: parent, MaxResults: 2, NextToken }),
    )
    expect(page.OrganizationalUnits?.length).toBeLessThanOrEqual(2)
    names.push(...(page.OrganizationalUnits ?? []).map(({ Name }) => Name ?? ''))
    NextToken = page.NextToken
  } while (NextToken)
  expect(names.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'])
  await expect(organizations.send(new ListAccountsCommand({ NextToken: 'mine' }))).rejects.toMatchObject({
    name: 'InvalidInputException',
    Reason: 'INVALID_NEXT_TOKEN',
  })
})

test('roots, units and accounts have tags', async () => {
  const tagged = await unit('Tagged')
  for (const ResourceId of [root, tagged, drydock.account]) {
    await organizations.send(
      new TagResourceCommand({
        ResourceId,
        Tags: [
          { Key: 'team', Value: 'web' },
          { Key: 'stage', Value: 'dev' },
        ],
      }),
    )
    await organizations.send(new UntagResourceCommand({ ResourceId, TagKeys: ['stage'] }))
    const { Tags } = await organizations.send(new ListTagsForResourceCommand({ ResourceId }))
    expect(Tags).toEqual([{ Key: 'team', Value: 'web' }])
  }
  const tag = (ResourceId: string, ...Tags: { Key: string; Value: string }[]) =>
    organizations.send(new TagResourceCommand({ ResourceId, Tags }))
  await expect(tag('ou-aaaa-bbbbbbbb', { Key: 'a', Value: 'b' })).rejects.toMatchObject({
    name: 'TargetNotFoundException',
  })
  await expect(tag(tagged, { Key: 'aws:x', Value: 'b' })).rejects.toMatchObject({
    Reason: 'INVALID_SYSTEM_TAGS_PARAMETER',
  })
  await expect(tag(tagged, { Key: 'a', Value: 'b' }, { Key: 'a', Value: 'c' })).rejects.toMatchObject({
    Reason: 'DUPLICATE_TAG_KEY',
  })
  await expect(
    tag(tagged, ...Array.from({ length: 50 }, (_, i) => ({ Key: `k${i}`, Value: '' }))),
  ).rejects.toMatchObject({ name: 'ConstraintViolationException', Reason: 'MAX_TAG_LIMIT_EXCEEDED' })
})

test('IAM lets a user of the management account do what its policies say, by ARN and by tag', async () => {
  const mine = await unit('Mine')
  const theirs = await unit('Theirs')
  await organizations.send(new TagResourceCommand({ ResourceId: mine, Tags: [{ Key: 'owner', Value: 'eve' }] }))
  const keys = await drydock.user('eve', [
    allow('organizations:DescribeOrganizationalUnit', `arn:aws:organizations::${drydock.account}:ou/${id}/${mine}`),
    allow('organizations:UpdateOrganizationalUnit', '*', { StringEquals: { 'aws:ResourceTag/owner': 'eve' } }),
  ])
  const eve = drydock.client(OrganizationsClient, keys)
  await eve.send(new DescribeOrganizationalUnitCommand({ OrganizationalUnitId: mine }))
  await eve.send(new UpdateOrganizationalUnitCommand({ OrganizationalUnitId: mine, Name: 'Mine still' }))
  await Promise.all(
    [
      eve.send(new DescribeOrganizationalUnitCommand({ OrganizationalUnitId: theirs })),
      eve.send(new UpdateOrganizationalUnitCommand({ OrganizationalUnitId: theirs, Name: 'Mine' })),
    ].map((denied) =>
      expect(denied).rejects.toMatchObject({
        name: 'AccessDeniedException',
        message: expect.stringMatching(/no identity-based policy allows the organizations:/),
      }),
    ),
  )
})

test('a member account may see its organization and nothing else', async () => {
  const account = await createAccount(drydock, 'curious')
  const visitor = await drydock.user('visitor', [allow('sts:AssumeRole')])
  const member = drydock.client(OrganizationsClient, await enter(drydock, visitor, account))
  expect((await member.send(new DescribeOrganizationCommand({}))).Organization?.Id).toBe(id)
  await Promise.all(
    [
      member.send(new ListAccountsCommand({})),
      member.send(new DescribeAccountCommand({ AccountId: account })),
      member.send(new CreateOrganizationalUnitCommand({ ParentId: root, Name: 'Sneaked in' })),
      member.send(new DeleteOrganizationCommand({})),
    ].map((refused) =>
      expect(refused).rejects.toMatchObject({
        name: 'AccessDeniedException',
        message: "You don't have permissions to access this resource.",
      }),
    ),
  )
})
