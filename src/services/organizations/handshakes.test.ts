import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  AcceptHandshakeCommand,
  CancelHandshakeCommand,
  CreateOrganizationCommand,
  DeclineHandshakeCommand,
  DeleteOrganizationCommand,
  DescribeHandshakeCommand,
  DescribeOrganizationCommand,
  DescribeResponsibilityTransferCommand,
  EnableAllFeaturesCommand,
  InviteAccountToOrganizationCommand,
  InviteOrganizationToTransferResponsibilityCommand,
  LeaveOrganizationCommand,
  ListAccountsCommand,
  ListHandshakesForAccountCommand,
  ListHandshakesForOrganizationCommand,
  ListInboundResponsibilityTransfersCommand,
  ListOutboundResponsibilityTransfersCommand,
  ListTagsForResourceCommand,
  OrganizationsClient,
  RemoveAccountFromOrganizationCommand,
  TerminateResponsibilityTransferCommand,
  UpdateResponsibilityTransferCommand,
} from '@aws-sdk/client-organizations'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

// Whoever has a key of twelve digits is the root user of that account: every account there may be exists.

let drydock: Story
beforeEach(async () => {
  drydock = await story({ config: { auth: 'trust' } })
})
afterEach(() => drydock.close())

const keysOf = (account: string) => ({ accessKeyId: account, secretAccessKey: 'x' })
const as = (account: string) => drydock.client(OrganizationsClient, keysOf(account))
const [owner, guest, other] = ['111111111111', '222222222222', '333333333333'] as const

const organize = async (account: string, FeatureSet: 'ALL' | 'CONSOLIDATED_BILLING' = 'ALL') =>
  (await as(account).send(new CreateOrganizationCommand({ FeatureSet }))).Organization?.Id ?? ''
const invite = async (Id: string = guest, change: object = {}) =>
  (await as(owner).send(new InviteAccountToOrganizationCommand({ Target: { Type: 'ACCOUNT', Id }, ...change })))
    .Handshake
const accept = (account: string, HandshakeId: string | undefined) =>
  as(account).send(new AcceptHandshakeCommand({ HandshakeId }))
const stateOf = async (account: string, HandshakeId: string | undefined) =>
  (await as(account).send(new DescribeHandshakeCommand({ HandshakeId }))).Handshake?.State

describe('an invitation', () => {
  test('is accepted: the account is a member, with its tags and the service-linked role', async () => {
    const organization = await organize(owner)
    const handshake = await invite(guest, { Notes: 'Come in', Tags: [{ Key: 'team', Value: 'web' }] })
    expect(handshake).toMatchObject({
      Id: expect.stringMatching(/^h-[0-9a-f]{32}$/),
      Arn: `arn:aws:organizations::${owner}:handshake/${organization}/invite/${handshake?.Id}`,
      Action: 'INVITE',
      State: 'OPEN',
      Parties: [
        { Type: 'ORGANIZATION', Id: organization },
        { Type: 'ACCOUNT', Id: guest },
      ],
      Resources: [
        {
          Type: 'ORGANIZATION',
          Value: organization,
          Resources: expect.arrayContaining([{ Type: 'ORGANIZATION_FEATURE_SET', Value: 'ALL' }]),
        },
        { Type: 'ACCOUNT', Value: guest },
        { Type: 'NOTES', Value: 'Come in' },
      ],
    })
    const { Handshakes } = await as(guest).send(new ListHandshakesForAccountCommand({}))
    expect(Handshakes?.map(({ Id }) => Id)).toEqual([handshake?.Id])
    expect((await accept(guest, handshake?.Id)).Handshake?.State).toBe('ACCEPTED')
    expect((await as(guest).send(new DescribeOrganizationCommand({}))).Organization?.Id).toBe(organization)
    const { Accounts } = await as(owner).send(new ListAccountsCommand({}))
    expect(Accounts?.find(({ Id }) => Id === guest)).toMatchObject({ JoinedMethod: 'INVITED', State: 'ACTIVE' })
    const { Tags } = await as(owner).send(new ListTagsForResourceCommand({ ResourceId: guest }))
    expect(Tags).toEqual([{ Key: 'team', Value: 'web' }])
    const { Role } = await drydock
      .client(IAMClient, keysOf(guest))
      .send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForOrganizations' }))
    expect(Role?.Path).toBe('/aws-service-role/organizations.amazonaws.com/')
    await expect(accept(guest, handshake?.Id)).rejects.toMatchObject({ name: 'HandshakeAlreadyInStateException' })
    // Invited accounts may go at any time.
    await as(guest).send(new LeaveOrganizationCommand({}))
    await expect(as(guest).send(new DescribeOrganizationCommand({}))).rejects.toMatchObject({
      name: 'AWSOrganizationsNotInUseException',
    })
  })

  test('is declined, cancelled, or answered by the wrong one', async () => {
    await organize(owner)
    const first = await invite()
    await expect(invite()).rejects.toMatchObject({ name: 'DuplicateHandshakeException' })
    await expect(accept(other, first?.Id)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(as(guest).send(new CancelHandshakeCommand({ HandshakeId: first?.Id }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    const declined = await as(guest).send(new DeclineHandshakeCommand({ HandshakeId: first?.Id }))
    expect(declined.Handshake?.State).toBe('DECLINED')
    await expect(accept(guest, first?.Id)).rejects.toMatchObject({ name: 'InvalidHandshakeTransitionException' })

    const second = await invite()
    await as(owner).send(new CancelHandshakeCommand({ HandshakeId: second?.Id }))
    expect(await stateOf(guest, second?.Id)).toBe('CANCELED')
    await expect(accept(guest, second?.Id)).rejects.toMatchObject({ name: 'InvalidHandshakeTransitionException' })
    await expect(accept(guest, 'h-00000000')).rejects.toMatchObject({ name: 'HandshakeNotFoundException' })
  })

  test('expires after 15 days, and is forgotten 30 days later', async () => {
    await organize(owner)
    const handshake = await invite()
    await drydock.advance({ days: 14, hours: 23 })
    expect(await stateOf(owner, handshake?.Id)).toBe('OPEN')
    await drydock.advance({ hours: 2 })
    expect(await stateOf(owner, handshake?.Id)).toBe('EXPIRED')
    await expect(accept(guest, handshake?.Id)).rejects.toMatchObject({ name: 'InvalidHandshakeTransitionException' })
    await drydock.advance({ days: 31 })
    const { Handshakes } = await as(owner).send(new ListHandshakesForOrganizationCommand({}))
    expect(Handshakes).toEqual([])
  })

  test('goes to an e-mail address', async () => {
    await organize(owner)
    const { Handshake } = await as(owner).send(
      new InviteAccountToOrganizationCommand({ Target: { Type: 'EMAIL', Id: `Root@${guest}.drydock.localhost` } }),
    )
    await accept(guest, Handshake?.Id)
    expect((await as(owner).send(new ListAccountsCommand({}))).Accounts).toHaveLength(2)
  })

  test('goes to nobody who is in an organization, and to no organization', async () => {
    await organize(owner)
    await organize(guest)
    await expect(invite()).rejects.toMatchObject({
      name: 'HandshakeConstraintViolationException',
      Reason: 'ALREADY_IN_AN_ORGANIZATION',
    })
    const handshake = await invite(other)
    await organize(other)
    await expect(accept(other, handshake?.Id)).rejects.toMatchObject({ Reason: 'ALREADY_IN_AN_ORGANIZATION' })
    const to = (Type: 'ACCOUNT' | 'EMAIL' | 'ORGANIZATION', Id: string) =>
      as(owner).send(new InviteAccountToOrganizationCommand({ Target: { Type, Id } }))
    await expect(to('ORGANIZATION', 'o-aaaaaaaaaa')).rejects.toMatchObject({ Reason: 'INVALID_PARTY_TYPE_TARGET' })
    await expect(to('ACCOUNT', '12')).rejects.toMatchObject({ Reason: 'INVALID_PATTERN_TARGET_ID' })
    await expect(to('EMAIL', 'nobody')).rejects.toMatchObject({ Reason: 'INVALID_EMAIL_ADDRESS_TARGET' })
  })

  test('ends with the organization', async () => {
    await organize(owner)
    const handshake = await invite()
    await as(owner).send(new DeleteOrganizationCommand({}))
    expect(await stateOf(guest, handshake?.Id)).toBe('CANCELED')
  })
})

describe('all features', () => {
  const featureSet = async () => (await as(owner).send(new DescribeOrganizationCommand({}))).Organization?.FeatureSet
  const begin = async () => (await as(owner).send(new EnableAllFeaturesCommand({}))).Handshake

  test('are enabled when every invited account has approved', async () => {
    await organize(owner, 'CONSOLIDATED_BILLING')
    for (const account of [guest, other]) await accept(account, (await invite(account))?.Id)
    const open = await invite('444444444444')
    const parent = await begin()
    expect(parent).toMatchObject({ Action: 'ENABLE_ALL_FEATURES', State: 'REQUESTED' })
    expect(await stateOf(owner, open?.Id)).toBe('CANCELED')
    await expect(begin()).rejects.toMatchObject({ Reason: 'ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION' })
    await expect(invite('555555555555')).rejects.toMatchObject({
      Reason: 'INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES',
    })
    await expect(accept(owner, parent?.Id)).rejects.toMatchObject({ name: 'InvalidHandshakeTransitionException' })

    const { Handshakes } = await as(guest).send(
      new ListHandshakesForAccountCommand({ Filter: { ParentHandshakeId: parent?.Id } }),
    )
    expect(Handshakes).toMatchObject([{ Action: 'APPROVE_ALL_FEATURES', State: 'OPEN' }])
    await accept(guest, Handshakes?.[0]?.Id)
    expect(await stateOf(owner, parent?.Id)).toBe('REQUESTED')
    // Who does not approve can be removed, and is waited for no more.
    await as(owner).send(new RemoveAccountFromOrganizationCommand({ AccountId: other }))
    expect(await stateOf(owner, parent?.Id)).toBe('OPEN')
    expect((await accept(owner, parent?.Id)).Handshake?.State).toBe('ACCEPTED')
    expect(await featureSet()).toBe('ALL')
    await expect(begin()).rejects.toMatchObject({ Reason: 'ORGANIZATION_ALREADY_HAS_ALL_FEATURES' })
  })

  test('are enabled at once where nobody was invited', async () => {
    await organize(owner, 'CONSOLIDATED_BILLING')
    const parent = await begin()
    expect(parent?.State).toBe('OPEN')
    await accept(owner, parent?.Id)
    expect(await featureSet()).toBe('ALL')
  })

  test('are not enabled when nobody answers for 90 days', async () => {
    await organize(owner, 'CONSOLIDATED_BILLING')
    await accept(guest, (await invite())?.Id)
    const parent = await begin()
    await drydock.advance({ days: 90 })
    expect(await stateOf(owner, parent?.Id)).toBe('EXPIRED')
    expect(await featureSet()).toBe('CONSOLIDATED_BILLING')
    expect((await begin())?.State).toBe('REQUESTED')
  })
})

describe('a billing transfer', () => {
  const ask = async (change: object = {}) =>
    (
      await as(owner).send(
        new InviteOrganizationToTransferResponsibilityCommand({
          Type: 'BILLING',
          Target: { Type: 'ACCOUNT', Id: guest },
          StartTimestamp: new Date('2026-12-01T00:00:00Z'),
          SourceName: 'Partner',
          ...change,
        }),
      )
    ).Handshake
  const inbound = async () =>
    (await as(owner).send(new ListInboundResponsibilityTransfersCommand({ Type: 'BILLING' }))).ResponsibilityTransfers
  const outbound = async () =>
    (await as(guest).send(new ListOutboundResponsibilityTransfersCommand({ Type: 'BILLING' }))).ResponsibilityTransfers

  test('is accepted by the other management account, renamed, and withdrawn at the end of a month', async () => {
    const mine = await organize(owner)
    const theirs = await organize(guest)
    const handshake = await ask()
    expect(handshake).toMatchObject({ Action: 'TRANSFER_RESPONSIBILITY', State: 'REQUESTED' })
    const [asked] = (await inbound()) ?? []
    expect(asked).toMatchObject({
      Arn: `arn:aws:organizations::${owner}:transfer/${mine}/billing/inbound/${asked?.Id}`,
      Name: 'Partner',
      Status: 'REQUESTED',
      Source: { ManagementAccountId: guest },
      Target: { ManagementAccountId: owner },
      ActiveHandshakeId: handshake?.Id,
    })
    await expect(ask()).rejects.toMatchObject({ name: 'DuplicateHandshakeException' })
    await accept(guest, handshake?.Id)
    expect(await outbound()).toMatchObject([
      {
        Arn: `arn:aws:organizations::${guest}:transfer/${theirs}/billing/outbound/${asked?.Id}`,
        Status: 'ACCEPTED',
      },
    ])
    await as(owner).send(new UpdateResponsibilityTransferCommand({ Id: asked?.Id, Name: 'Subsidiary' }))
    const described = await as(guest).send(new DescribeResponsibilityTransferCommand({ Id: asked?.Id }))
    expect(described.ResponsibilityTransfer?.Name).toBe('Subsidiary')
    await expect(as(owner).send(new DeleteOrganizationCommand({}))).rejects.toMatchObject({
      Reason: 'ACTIVE_RESPONSIBILITY_TRANSFER_PROCESS',
    })
    const end = (EndTimestamp?: Date) =>
      as(guest).send(new TerminateResponsibilityTransferCommand({ Id: asked?.Id, EndTimestamp }))
    await expect(end(new Date('2027-01-15T00:00:00Z'))).rejects.toMatchObject({ Reason: 'END_DATE_NOT_END_OF_MONTH' })
    const ended = await end(new Date('2027-01-31T23:59:59.999Z'))
    expect(ended.ResponsibilityTransfer).toMatchObject({
      Status: 'WITHDRAWN',
      EndTimestamp: new Date('2027-01-31T23:59:59.999Z'),
    })
    await expect(end()).rejects.toMatchObject({ name: 'ResponsibilityTransferAlreadyInStatusException' })
    await as(owner).send(new DeleteOrganizationCommand({}))
  })

  test('is declined or expires a day before it would begin', async () => {
    await organize(owner)
    await organize(guest)
    const first = await ask()
    await as(guest).send(new DeclineHandshakeCommand({ HandshakeId: first?.Id }))
    expect((await inbound())?.map(({ Status }) => Status)).toEqual(['DECLINED'])
    const second = await ask()
    await drydock.advance({ days: 7 })
    expect(await stateOf(owner, second?.Id)).toBe('EXPIRED')
    expect((await inbound())?.map(({ Status }) => Status).toSorted()).toEqual(['DECLINED', 'EXPIRED'])
  })

  test('is between two, and begins with a month', async () => {
    await organize(owner)
    await expect(ask({ Target: { Type: 'ACCOUNT', Id: owner } })).rejects.toMatchObject({
      Reason: 'SOURCE_AND_TARGET_CANNOT_MATCH',
    })
    for (const [date, Reason] of [
      ['2026-12-01T01:00:00Z', 'START_DATE_NOT_BEGINNING_OF_DAY'],
      ['2026-12-02T00:00:00Z', 'START_DATE_NOT_BEGINNING_OF_MONTH'],
      ['2026-11-01T00:00:00Z', 'START_DATE_TOO_EARLY'],
    ] as const)
      await expect(ask({ StartTimestamp: new Date(date) })).rejects.toMatchObject({
        name: 'InvalidInputException',
        Reason,
      })
    // Only the management account of an organization has bills to give away.
    const handshake = await ask()
    await expect(accept(guest, handshake?.Id)).rejects.toMatchObject({ name: 'AWSOrganizationsNotInUseException' })
  })
})
