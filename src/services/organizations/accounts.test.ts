import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CloseAccountCommand,
  CreateAccountCommand,
  CreateGovCloudAccountCommand,
  CreateOrganizationCommand,
  DescribeAccountCommand,
  DescribeCreateAccountStatusCommand,
  LeaveOrganizationCommand,
  ListAccountsCommand,
  ListCreateAccountStatusCommand,
  ListTagsForResourceCommand,
  OrganizationsClient,
  RemoveAccountFromOrganizationCommand,
} from '@aws-sdk/client-organizations'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Story, story } from '../../../test/story.ts'

// Accounts come and go.

let drydock: Story
let organizations: OrganizationsClient
beforeAll(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({}))
})
afterAll(() => drydock.close())

type Asked = Partial<ConstructorParameters<typeof CreateAccountCommand>[0]> & { Email: string }
const create = async (input: Asked) => {
  const asked = await organizations.send(new CreateAccountCommand({ AccountName: 'x', ...input }))
  const { Id } = asked.CreateAccountStatus ?? {}
  await drydock.settled()
  const done = await organizations.send(new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: Id }))
  return { asked: asked.CreateAccountStatus, done: done.CreateAccountStatus }
}

test('an account is made with its tags and a role of the name that was asked for', async () => {
  const { asked, done } = await create({
    AccountName: 'prod',
    Email: 'prod@example.com',
    RoleName: 'Admin',
    Tags: [{ Key: 'stage', Value: 'prod' }],
  })
  expect(asked).toEqual({
    Id: expect.stringMatching(/^car-[0-9a-f]{32}$/),
    AccountName: 'prod',
    State: 'IN_PROGRESS',
    RequestedTimestamp: expect.any(Date),
  })
  expect(done).toMatchObject({ Id: asked?.Id, State: 'SUCCEEDED', AccountId: expect.stringMatching(/^\d{12}$/) })
  const account = done?.AccountId ?? ''
  const { Tags } = await organizations.send(new ListTagsForResourceCommand({ ResourceId: account }))
  expect(Tags).toEqual([{ Key: 'stage', Value: 'prod' }])

  const visitor = await drydock.user('prod-visitor', [allow('sts:AssumeRole')])
  const { Credentials } = await drydock
    .client(STSClient, visitor)
    .send(new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/Admin`, RoleSessionName: 'visit' }))
  const iam = drydock.client(IAMClient, {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  })
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: 'Admin' }))
  expect(JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ''))).toMatchObject({
    Statement: [{ Principal: { AWS: `arn:aws:iam::${drydock.account}:root` } }],
  })

  const { Events } = await drydock.client(CloudTrailClient).send(
    new LookupEventsCommand({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'CreateAccountResult' }],
    }),
  )
  const records = Events?.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent ?? ''))
  expect(records?.find((one) => one.serviceEventDetails.createAccountStatus.id === asked?.Id)).toMatchObject({
    eventType: 'AwsServiceEvent',
    eventSource: 'organizations.amazonaws.com',
    awsRegion: 'us-east-1',
    userIdentity: { accountId: drydock.account, invokedBy: 'AWS Internal' },
    serviceEventDetails: {
      createAccountStatus: {
        state: 'SUCCEEDED',
        accountId: account,
        accountName: '****',
        completedTimestamp: expect.stringMatching(/^[A-Z][a-z]{2} \d+, 2026 \d+:\d\d:\d\d [AP]M$/),
      },
    },
  })
})

test('an address belongs to one account, however it is written', async () => {
  await create({ Email: 'taken@example.com' })
  expect((await create({ Email: 'Taken@Example.com' })).done).toMatchObject({
    State: 'FAILED',
    FailureReason: 'EMAIL_ALREADY_EXISTS',
  })
})

test('of two requests for one address at the same time one fails', async () => {
  const asked = await Promise.all(
    ['one', 'two'].map((AccountName) =>
      organizations.send(new CreateAccountCommand({ AccountName, Email: 'both@example.com' })),
    ),
  )
  await drydock.settled()
  const states = await Promise.all(
    asked.map(async ({ CreateAccountStatus }) => {
      const { CreateAccountStatus: done } = await organizations.send(
        new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: CreateAccountStatus?.Id }),
      )
      return done?.FailureReason ?? done?.State
    }),
  )
  expect(states.toSorted()).toEqual(['EMAIL_ALREADY_EXISTS', 'SUCCEEDED'])
})

test.each(['a b@example.com', '.dot@example.com', 'x@-example.com', 'q"q@example.com', 'x@exämple.com'])(
  'no account for %s',
  async (Email) => {
    const outcome = await create({ Email }).then(
      ({ done }) => done?.FailureReason,
      (error: { name: string }) => error.name,
    )
    expect(['INVALID_EMAIL', 'InvalidInputException']).toContain(outcome)
  },
)

test('requests are listed by their state', async () => {
  await create({ Email: 'listed@example.com' })
  await create({ Email: 'listed@example.com' })
  const { CreateAccountStatuses } = await organizations.send(new ListCreateAccountStatusCommand({ States: ['FAILED'] }))
  expect(CreateAccountStatuses?.length).toBeGreaterThan(0)
  expect(CreateAccountStatuses?.every(({ State }) => State === 'FAILED')).toBe(true)
  await expect(
    organizations.send(new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: 'car-00000000' })),
  ).rejects.toMatchObject({ name: 'CreateAccountStatusNotFoundException' })
})

test('roles of services are not made for owners', async () => {
  await expect(create({ Email: 'role@example.com', RoleName: 'AWSServiceRoleForMe' })).rejects.toMatchObject({
    name: 'InvalidInputException',
    Reason: 'INVALID_ROLE_NAME',
  })
})

test('there is no GovCloud', async () => {
  await expect(
    organizations.send(new CreateGovCloudAccountCommand({ AccountName: 'gov', Email: 'gov@example.com' })),
  ).rejects.toMatchObject({ name: 'ConstraintViolationException', Reason: 'MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED' })
})

test('a created account stays four days, then it may be removed or leave; the management account never', async () => {
  const removed = await createAccount(drydock, 'removed')
  const leaving = await createAccount(drydock, 'leaving')
  const remove = (AccountId: string) => organizations.send(new RemoveAccountFromOrganizationCommand({ AccountId }))
  await expect(remove(removed)).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'WAIT_PERIOD_ACTIVE',
  })
  await drydock.advance({ days: 4 })
  await remove(removed)
  await expect(organizations.send(new DescribeAccountCommand({ AccountId: removed }))).rejects.toMatchObject({
    name: 'AccountNotFoundException',
    message: "You specified an account that doesn't exist.",
  })
  const visitor = await drydock.user('leaver', [allow('sts:AssumeRole')])
  const member = drydock.client(OrganizationsClient, await enter(drydock, visitor, leaving))
  await member.send(new LeaveOrganizationCommand({}))
  await expect(member.send(new LeaveOrganizationCommand({}))).rejects.toMatchObject({
    name: 'AWSOrganizationsNotInUseException',
  })
  await Promise.all(
    [remove(drydock.account), organizations.send(new LeaveOrganizationCommand({}))].map((attempt) =>
      expect(attempt).rejects.toMatchObject({ name: 'MasterCannotLeaveOrganizationException' }),
    ),
  )
  // The address stays with the account that left.
  expect((await create({ Email: 'leaving@example.com' })).done?.FailureReason).toBe('EMAIL_ALREADY_EXISTS')
})

test('the management account cannot be closed, nor an account that is not there', async () => {
  const close = (AccountId: string) => organizations.send(new CloseAccountCommand({ AccountId }))
  await expect(close(drydock.account)).rejects.toMatchObject({ Reason: 'CANNOT_CLOSE_MANAGEMENT_ACCOUNT' })
  await expect(close('999999999999')).rejects.toMatchObject({ name: 'AccountNotFoundException' })
})

test('what was asked before a restart is done after it', async () => {
  const before = await story({ durable: true })
  const client = before.client(OrganizationsClient)
  await client.send(new CreateOrganizationCommand({}))
  const asked = await client.send(new CreateAccountCommand({ AccountName: 'late', Email: 'late@example.com' }))
  const after = await before.restart()
  await after.settled()
  const again = after.client(OrganizationsClient)
  const { CreateAccountStatus } = await again.send(
    new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: asked.CreateAccountStatus?.Id }),
  )
  expect(CreateAccountStatus?.State).toBe('SUCCEEDED')
  expect((await again.send(new ListAccountsCommand({}))).Accounts).toHaveLength(2)
  await after.close()
})
