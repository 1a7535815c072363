import {
  CreateOrganizationCommand,
  DeregisterDelegatedAdministratorCommand,
  DisableAWSServiceAccessCommand,
  EnableAWSServiceAccessCommand,
  ListAccountsCommand,
  ListAWSServiceAccessForOrganizationCommand,
  ListDelegatedAdministratorsCommand,
  ListDelegatedServicesForAccountCommand,
  OrganizationsClient,
  RegisterDelegatedAdministratorCommand,
  RemoveAccountFromOrganizationCommand,
  TagResourceCommand,
} from '@aws-sdk/client-organizations'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let organizations: OrganizationsClient
beforeEach(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({}))
})
afterEach(() => drydock.close())

const guardduty = 'guardduty.amazonaws.com'
const register = (AccountId: string, ServicePrincipal = guardduty) =>
  organizations.send(new RegisterDelegatedAdministratorCommand({ AccountId, ServicePrincipal }))
const enable = (ServicePrincipal = guardduty) =>
  organizations.send(new EnableAWSServiceAccessCommand({ ServicePrincipal }))
const disable = (ServicePrincipal = guardduty) =>
  organizations.send(new DisableAWSServiceAccessCommand({ ServicePrincipal }))

test('services get trusted access, and lose it', async () => {
  const list = async () =>
    (await organizations.send(new ListAWSServiceAccessForOrganizationCommand({}))).EnabledServicePrincipals
  await enable()
  const since = await list()
  expect(since).toEqual([{ ServicePrincipal: guardduty, DateEnabled: expect.any(Date) }])
  await drydock.advance({ hours: 1 })
  await enable()
  expect(await list()).toEqual(since)
  await expect(enable('nobody.amazonaws.com')).rejects.toMatchObject({
    name: 'InvalidInputException',
    Reason: 'UNRECOGNIZED_SERVICE_PRINCIPAL',
  })
  await disable()
  expect(await list()).toEqual([])
})

test('a delegated administrator reads the organization, and changes nothing', async () => {
  const account = await createAccount(drydock, 'security')
  const visitor = await drydock.user('visitor', [allow('sts:AssumeRole')])
  const member = drydock.client(OrganizationsClient, await enter(drydock, visitor, account))
  const read = () => member.send(new ListAccountsCommand({}))
  await expect(read()).rejects.toMatchObject({ name: 'AccessDeniedException' })
  await expect(register(account)).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'SERVICE_ACCESS_NOT_ENABLED',
  })
  await enable()
  await register(account)
  expect((await read()).Accounts).toHaveLength(2)
  await expect(
    member.send(new TagResourceCommand({ ResourceId: account, Tags: [{ Key: 'a', Value: 'b' }] })),
  ).rejects.toMatchObject({ name: 'AccessDeniedException' })

  await expect(register(account)).rejects.toMatchObject({ name: 'AccountAlreadyRegisteredException' })
  const listed = await member.send(new ListDelegatedAdministratorsCommand({ ServicePrincipal: guardduty }))
  expect(listed.DelegatedAdministrators).toMatchObject([
    { Id: account, Name: 'security', State: 'ACTIVE', DelegationEnabledDate: expect.any(Date) },
  ])
  const services = await organizations.send(new ListDelegatedServicesForAccountCommand({ AccountId: account }))
  expect(services.DelegatedServices).toMatchObject([{ ServicePrincipal: guardduty }])

  await expect(disable()).rejects.toMatchObject({ Reason: 'DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE' })
  await drydock.advance({ days: 5 })
  await expect(
    organizations.send(new RemoveAccountFromOrganizationCommand({ AccountId: account })),
  ).rejects.toMatchObject({ Reason: 'CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG' })
  await organizations.send(
    new DeregisterDelegatedAdministratorCommand({ AccountId: account, ServicePrincipal: guardduty }),
  )
  const later = drydock.client(OrganizationsClient, await enter(drydock, visitor, account))
  await expect(later.send(new ListAccountsCommand({}))).rejects.toMatchObject({ name: 'AccessDeniedException' })
  await expect(
    organizations.send(new ListDelegatedServicesForAccountCommand({ AccountId: account })),
  ).rejects.toMatchObject({ name: 'AccountNotRegisteredException' })
})

test('who cannot be an administrator: the management account, a second one where there is one, nobody where there is none', async () => {
  const [one, two] = [await createAccount(drydock, 'one'), await createAccount(drydock, 'two')]
  await enable()
  await expect(register(drydock.account)).rejects.toMatchObject({
    Reason: 'CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR',
  })
  await register(one)
  await expect(register(two)).rejects.toMatchObject({ Reason: 'DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE' })
  await expect(register(two, 'ram.amazonaws.com')).rejects.toMatchObject({ name: 'InvalidInputException' })
  await expect(register('999999999999')).rejects.toMatchObject({ name: 'AccountNotFoundException' })
})
