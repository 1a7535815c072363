import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

const account = '000000000000'
const thumbprint = 'A94A8FE5CCB19BA61C4C0873D391E987982FBBD3'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const create = (Url: string, over: Partial<sdk.CreateOpenIDConnectProviderCommandInput> = {}) =>
  iam.send(new sdk.CreateOpenIDConnectProviderCommand({ Url, ...over }))

test('a provider is made, read, changed, listed and deleted', async () => {
  const made = await create('https://token.actions.githubusercontent.com', {
    ClientIDList: ['sts.amazonaws.com'],
    ThumbprintList: [thumbprint],
    Tags: [{ Key: 'team', Value: 'platform' }],
  })
  const arn = `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com`
  expect(made).toMatchObject({ OpenIDConnectProviderArn: arn, Tags: [{ Key: 'team', Value: 'platform' }] })
  const of = { OpenIDConnectProviderArn: arn }
  const read = async () => {
    const { $metadata: _, ...answer } = await iam.send(new sdk.GetOpenIDConnectProviderCommand(of))
    return answer
  }
  expect(await read()).toEqual({
    Url: 'token.actions.githubusercontent.com',
    ClientIDList: ['sts.amazonaws.com'],
    ThumbprintList: [thumbprint.toLowerCase()],
    CreateDate: drydock.clock.now(),
    Tags: [{ Key: 'team', Value: 'platform' }],
  })

  await iam.send(new sdk.AddClientIDToOpenIDConnectProviderCommand({ ...of, ClientID: 'shop' }))
  await iam.send(new sdk.AddClientIDToOpenIDConnectProviderCommand({ ...of, ClientID: 'shop' }))
  await iam.send(new sdk.RemoveClientIDFromOpenIDConnectProviderCommand({ ...of, ClientID: 'sts.amazonaws.com' }))
  await iam.send(new sdk.RemoveClientIDFromOpenIDConnectProviderCommand({ ...of, ClientID: 'never-there' }))
  await iam.send(new sdk.UpdateOpenIDConnectProviderThumbprintCommand({ ...of, ThumbprintList: ['0'.repeat(40)] }))
  await iam.send(new sdk.TagOpenIDConnectProviderCommand({ ...of, Tags: [{ Key: 'env', Value: 'prod' }] }))
  await iam.send(new sdk.UntagOpenIDConnectProviderCommand({ ...of, TagKeys: ['team'] }))
  expect(await read()).toMatchObject({
    ClientIDList: ['shop'],
    ThumbprintList: ['0'.repeat(40)],
    Tags: [{ Key: 'env', Value: 'prod' }],
  })
  const { Tags } = await iam.send(new sdk.ListOpenIDConnectProviderTagsCommand(of))
  expect(Tags).toEqual([{ Key: 'env', Value: 'prod' }])

  const { OpenIDConnectProviderList } = await iam.send(new sdk.ListOpenIDConnectProvidersCommand({}))
  expect(OpenIDConnectProviderList).toContainEqual({ Arn: arn })
  await iam.send(new sdk.DeleteOpenIDConnectProviderCommand(of))
  await expect(read()).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: `OpenIDConnect Provider not found for arn ${arn}`,
  })
})

describe('an issuer’s URL', () => {
  test.each([
    'http://token.example.com',
    'https://token.example.com:8443',
    'https://token.example.com?tenant=1',
    'https://token.example.com#a',
    'https://user:secret@token.example.com',
    'https://token.example.com/a/../b',
    'https://TOKEN.example.com',
    'http://localhost.example.com',
    'http://127.0.0.1.example.com',
    'http://2130706433:80',
    'http://169.254.169.254',
    'ftp://token.example.com',
    'token.example.com',
    'https://',
  ])('%s is refused', async (url) => {
    await expect(create(url)).rejects.toMatchObject({ name: 'InvalidInputException' })
  })

  test.each([
    ['https://token.example.com', 'token.example.com'],
    ['https://token.example.com/', 'token.example.com/'],
    ['https://token.example.com/tenant/a_b', 'token.example.com/tenant/a_b'],
    ['http://localhost:9999/realms/shop', 'localhost:9999/realms/shop'],
    ['http://127.0.0.1:9999', '127.0.0.1:9999'],
  ])('%s is taken', async (url, name) => {
    const { OpenIDConnectProviderArn } = await create(url)
    expect(OpenIDConnectProviderArn).toBe(`arn:aws:iam::${account}:oidc-provider/${name}`)
    await expect(create(url)).rejects.toMatchObject({
      name: 'EntityAlreadyExistsException',
      message: `Provider with url ${url} already exists.`,
    })
  })
})

test('a provider has at most 100 client ids and five thumbprints', async () => {
  const many = Array.from({ length: 101 }, (_, index) => `client-${index}`)
  await expect(create('https://many.example.com', { ClientIDList: many })).rejects.toMatchObject({
    name: 'LimitExceededException',
    message: 'Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100',
  })
  const { OpenIDConnectProviderArn } = await create('https://many.example.com', { ClientIDList: many.slice(1) })
  await expect(
    iam.send(new sdk.AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID: 'one-more' })),
  ).rejects.toMatchObject({ name: 'LimitExceededException' })
  await expect(
    create('https://printed.example.com', { ThumbprintList: Array.from({ length: 6 }, () => thumbprint) }),
  ).rejects.toMatchObject({ name: 'InvalidInputException' })
  await expect(create('https://printed.example.com', { ThumbprintList: ['z'.repeat(40)] })).rejects.toMatchObject({
    name: 'InvalidInputException',
  })
})

test('a permission is for a provider’s ARN, or its tags', async () => {
  const { OpenIDConnectProviderArn } = await create('https://tagged.example.com', {
    Tags: [{ Key: 'team', Value: 'blue' }],
  })
  const keys = await drydock.user('blue', [
    allow('iam:GetOpenIDConnectProvider', '*', { StringEquals: { 'aws:ResourceTag/team': 'blue' } }),
    allow('iam:CreateOpenIDConnectProvider', `arn:aws:iam::${account}:oidc-provider/mine.example.com`),
  ])
  const blue = drydock.client(sdk.IAMClient, keys)
  await expect(blue.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }))).resolves.toBeDefined()
  const other = await create('https://untagged.example.com')
  await expect(
    blue.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: other.OpenIDConnectProviderArn })),
  ).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(
    blue.send(new sdk.CreateOpenIDConnectProviderCommand({ Url: 'https://mine.example.com' })),
  ).resolves.toBeDefined()
  await expect(
    blue.send(new sdk.CreateOpenIDConnectProviderCommand({ Url: 'https://yours.example.com' })),
  ).rejects.toMatchObject({ name: 'AccessDenied' })
})
