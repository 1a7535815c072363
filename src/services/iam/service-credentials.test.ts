import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const account = '000000000000'
const create = async (UserName: string, ServiceName: string, CredentialAgeDays?: number) =>
  (
    await iam.send(
      new sdk.CreateServiceSpecificCredentialCommand({
        UserName,
        ServiceName,
        ...(CredentialAgeDays === undefined ? {} : { CredentialAgeDays }),
      }),
    )
  ).ServiceSpecificCredential
const list = async (UserName: string) =>
  (await iam.send(new sdk.ListServiceSpecificCredentialsCommand({ UserName }))).ServiceSpecificCredentials ?? []

test('Keyspaces gets a name and a password; two of each service', async () => {
  await iam.send(new sdk.CreateUserCommand({ UserName: 'cass' }))
  const first = await create('cass', 'cassandra.amazonaws.com')
  expect(first).toEqual({
    UserName: 'cass',
    ServiceName: 'cassandra.amazonaws.com',
    ServiceUserName: `cass-at-${account}`,
    ServicePassword: expect.stringMatching(/^.{44}$/),
    ServiceSpecificCredentialId: expect.stringMatching(/^ACCA[A-Z2-7]{17}$/),
    Status: 'Active',
    CreateDate: drydock.clock.now(),
  })
  expect((await create('cass', 'cassandra.amazonaws.com'))?.ServiceUserName).toBe(`cass+1-at-${account}`)
  await expect(create('cass', 'cassandra.amazonaws.com')).rejects.toMatchObject({ name: 'LimitExceededException' })
  await expect(create('cass', 'codecommit.amazonaws.com')).resolves.toBeDefined()
  await expect(create('cass', 'cassandra.amazonaws.com', 5)).rejects.toMatchObject({ name: 'ValidationError' })
  for (const service of ['s3.amazonaws.com', 'toString', ''])
    await expect(create('cass', service)).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } })
})

test('API keys have an alias, and expire', async () => {
  await iam.send(new sdk.CreateUserCommand({ UserName: 'model' }))
  for (const [ServiceName, start] of [
    ['bedrock.amazonaws.com', 'ABSK'],
    ['logs.amazonaws.com', 'ACWL'],
  ] as const) {
    const made = await create('model', ServiceName, 30)
    expect(made).toMatchObject({
      ServiceCredentialAlias: `model-at-${account}`,
      Status: 'Active',
      ExpirationDate: new Date(drydock.clock.now().getTime() + 30 * 86_400_000),
    })
    expect(made).not.toHaveProperty('ServicePassword')
    const secret = made?.ServiceCredentialSecret ?? ''
    expect(secret.slice(0, 4)).toBe(start)
    expect(Buffer.from(secret.slice(4), 'base64').toString()).toMatch(new RegExp(`^model-at-${account}:.{44}$`))
  }
  const forever = await create('model', 'bedrock.amazonaws.com')
  expect(forever).not.toHaveProperty('ExpirationDate')
  const ServiceSpecificCredentialId = forever?.ServiceSpecificCredentialId
  const set = (Status: sdk.StatusType) =>
    iam.send(new sdk.UpdateServiceSpecificCredentialCommand({ UserName: 'model', ServiceSpecificCredentialId, Status }))
  await set('Inactive')
  await expect(set('Expired')).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
  await drydock.advance({ days: 30 })
  const states = async () =>
    (await list('model')).map(({ ServiceName, Status }) => `${ServiceName} ${Status}`).toSorted()
  expect(await states()).toEqual([
    'bedrock.amazonaws.com Expired',
    'bedrock.amazonaws.com Inactive',
    'logs.amazonaws.com Expired',
  ])
  expect(JSON.stringify(await list('model'))).not.toMatch(/Secret|Password/)
  const { ServiceSpecificCredential: reset } = await iam.send(
    new sdk.ResetServiceSpecificCredentialCommand({ UserName: 'model', ServiceSpecificCredentialId }),
  )
  expect(reset?.ServiceCredentialSecret).toMatch(/^ABSK/)
  expect(reset?.ServiceCredentialSecret).not.toBe(forever?.ServiceCredentialSecret)
})

test('a policy may say for which service, and for how long', async () => {
  const keys = await drydock.user('limited', [
    allow('iam:CreateServiceSpecificCredential', '*', {
      StringEquals: { 'iam:ServiceSpecificCredentialServiceName': 'bedrock.amazonaws.com' },
      NumericLessThanEquals: { 'iam:ServiceSpecificCredentialAgeDays': '90' },
    }),
  ])
  const ask = (ServiceName: string, CredentialAgeDays?: number) =>
    drydock.client(sdk.IAMClient, keys).send(
      new sdk.CreateServiceSpecificCredentialCommand({
        UserName: 'limited',
        ServiceName,
        ...(CredentialAgeDays === undefined ? {} : { CredentialAgeDays }),
      }),
    )
  const denied = { name: 'AccessDenied' }
  await expect(ask('bedrock.amazonaws.com', 91)).rejects.toMatchObject(denied)
  await expect(ask('bedrock.amazonaws.com')).rejects.toMatchObject(denied)
  await expect(ask('logs.amazonaws.com', 30)).rejects.toMatchObject(denied)
  await expect(ask('bedrock.amazonaws.com', 90)).resolves.toBeDefined()
})
