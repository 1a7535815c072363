import * as kmsSdk from '@aws-sdk/client-kms'
import * as sdk from '@aws-sdk/client-ssm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let ssm: sdk.SSMClient
beforeEach(async () => {
  drydock = await story()
  ssm = drydock.client(sdk.SSMClient)
})
afterEach(() => drydock.close())

const put = (Name: string, Value: string, more: Partial<sdk.PutParameterCommandInput> = {}, client = ssm) =>
  client.send(new sdk.PutParameterCommand({ Name, Value, Type: 'String', ...more }))
const get = async (Name: string, WithDecryption?: boolean, client = ssm) =>
  (await client.send(new sdk.GetParameterCommand({ Name, WithDecryption }))).Parameter
const as = (keys: Keys) => drydock.client(sdk.SSMClient, keys)
const refusal = (name: string, message?: string) => ({
  name,
  ...(message === undefined ? {} : { message: expect.stringContaining(message) }),
})

describe('versions and labels', () => {
  test('each put is a version; a version is read by number, by label, by ARN', async () => {
    expect(await put('/app/db', 'one')).toMatchObject({ Version: 1, Tier: 'Standard' })
    await expect(put('/app/db', 'two')).rejects.toMatchObject(refusal('ParameterAlreadyExists'))
    expect(await put('/app/db', 'two', { Overwrite: true, Type: undefined })).toMatchObject({ Version: 2 })
    await ssm.send(new sdk.LabelParameterVersionCommand({ Name: '/app/db', ParameterVersion: 1, Labels: ['prod'] }))
    expect(await get('/app/db')).toMatchObject({
      Value: 'two',
      Version: 2,
      Type: 'String',
      ARN: 'arn:aws:ssm:us-east-1:000000000000:parameter/app/db',
    })
    expect(await get('/app/db:1')).toMatchObject({ Value: 'one', Selector: ':1' })
    expect(await get('/app/db:prod')).toMatchObject({ Value: 'one', Selector: ':prod' })
    expect(await get('arn:aws:ssm:us-east-1:000000000000:parameter/app/db')).toMatchObject({ Value: 'two' })
    await expect(get('/app/db:9')).rejects.toMatchObject(refusal('ParameterVersionNotFound'))
    await expect(get('/app/nothing')).rejects.toMatchObject(refusal('ParameterNotFound'))
    const moved = await ssm.send(new sdk.LabelParameterVersionCommand({ Name: '/app/db', Labels: ['prod', 'aws-x'] }))
    expect(moved).toMatchObject({ ParameterVersion: 2, InvalidLabels: ['aws-x'] })
    const history = await ssm.send(new sdk.GetParameterHistoryCommand({ Name: '/app/db' }))
    expect(history.Parameters?.map(({ Value, Labels }) => [Value, Labels])).toEqual([
      ['one', []],
      ['two', ['prod']],
    ])
    const removed = await ssm.send(
      new sdk.UnlabelParameterVersionCommand({ Name: '/app/db', ParameterVersion: 2, Labels: ['prod', 'no'] }),
    )
    expect(removed).toMatchObject({ RemovedLabels: ['prod'], InvalidLabels: ['no'] })
    await ssm.send(new sdk.DeleteParameterCommand({ Name: '/app/db' }))
    await expect(get('/app/db')).rejects.toMatchObject(refusal('ParameterNotFound'))
    expect(drydock.events.filter(({ source }) => source === 'aws.ssm').map(({ detail }) => detail.operation)).toEqual([
      'Create',
      'Update',
      'LabelParameterVersion',
      'LabelParameterVersion',
      'Delete',
    ])
  })

  test('a hundred versions are kept; a label keeps the oldest, and so refuses the next', async () => {
    for (let turn = 0; turn < 101; turn++) await put('many', String(turn), { Overwrite: true })
    await expect(get('many:1')).rejects.toMatchObject(refusal('ParameterVersionNotFound'))
    expect(await get('many:2')).toMatchObject({ Value: '1' })
    await ssm.send(new sdk.LabelParameterVersionCommand({ Name: 'many', ParameterVersion: 2, Labels: ['keep'] }))
    await expect(put('many', 'more', { Overwrite: true })).rejects.toMatchObject(
      refusal('ParameterMaxVersionLimitExceeded'),
    )
  })
})

test('names, types, tiers and patterns', async () => {
  const cases: readonly [string, string, Partial<sdk.PutParameterCommandInput>, string][] = [
    ['a/b', 'x', {}, 'ValidationException'],
    ['/a b', 'x', {}, 'ValidationException'],
    ['/ssm/x', 'x', {}, 'ValidationException'],
    ['/aws/x', 'x', {}, 'AccessDeniedException'],
    [`/${'a/'.repeat(16)}b`, 'x', {}, 'HierarchyLevelLimitExceededException'],
    ['/n', 'x', { Type: undefined }, 'ValidationException'],
    ['/n', 'x'.repeat(4097), {}, 'ValidationException'],
    ['/n', 'x'.repeat(8193), { Tier: 'Advanced' }, 'ValidationException'],
    ['/n', 'ab', { AllowedPattern: '^\\d+$' }, 'ParameterPatternMismatchException'],
    ['/n', 'ab', { AllowedPattern: '(' }, 'InvalidAllowedPatternException'],
    ['/n', 'nope', { DataType: 'aws:ec2:image' }, 'ValidationException'],
    ['/n', 'x', { KeyId: 'alias/aws/ssm' }, 'ValidationException'],
  ]
  for (const [name, value, more, code] of cases) {
    const outcome = await put(name, value, more).then(
      () => 'accepted',
      (error: Error) => error.name,
    )
    expect([name, more, outcome]).toEqual([name, more, code])
  }
  expect(await put('/big', 'x'.repeat(5000), { Tier: 'Intelligent-Tiering' })).toMatchObject({ Tier: 'Advanced' })
  await expect(put('/big', 'small', { Tier: 'Standard', Overwrite: true })).rejects.toMatchObject(
    refusal('ValidationException', "can't downgrade"),
  )
  await put('/number', '1', { AllowedPattern: '^\\d+$' })
  await expect(put('/number', 'one', { Overwrite: true })).rejects.toMatchObject(
    refusal('ParameterPatternMismatchException'),
  )
  const { Parameters = [] } = await ssm.send(
    new sdk.GetParametersByPathCommand({ Path: '/aws/service/ami-amazon-linux-latest' }),
  )
  const image = Parameters[0]?.Value ?? ''
  expect(await put('/image', image, { DataType: 'aws:ec2:image' })).toMatchObject({ Version: 1 })
})

describe('a SecureString', () => {
  test('is encrypted under KMS, and read in plain only by who may decrypt', async () => {
    await put('/secret', 'hunter2', { Type: 'SecureString' })
    const sealed = await get('/secret')
    expect(sealed?.Value).not.toContain('hunter2')
    expect(await get('/secret', true)).toMatchObject({ Value: 'hunter2', Type: 'SecureString' })
    const store = drydock.server.kernel.store as unknown as { export(): Iterable<unknown> }
    expect(JSON.stringify([...store.export()])).not.toContain('hunter2')

    const kms = drydock.client(kmsSdk.KMSClient)
    const { KeyMetadata } = await kms.send(new kmsSdk.CreateKeyCommand({}))
    const key = KeyMetadata?.Arn ?? ''
    await put('/own', 'x'.repeat(6000), { Type: 'SecureString', KeyId: key, Tier: 'Advanced' })
    const reader = as(await drydock.user('reader', [allow('ssm:GetParameter')]))
    await expect(get('/own', true, reader)).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('kms:Decrypt'),
    })
    const decrypter = as(
      await drydock.user('decrypter', [
        allow('ssm:GetParameter'),
        allow('kms:Decrypt', key, {
          StringEquals: {
            'kms:ViaService': 'ssm.us-east-1.amazonaws.com',
            'kms:EncryptionContext:PARAMETER_ARN': 'arn:aws:ssm:us-east-1:000000000000:parameter/own',
          },
        }),
      ]),
    )
    expect((await get('/own', true, decrypter))?.Value).toBe('x'.repeat(6000))
    await kms.send(new kmsSdk.DisableKeyCommand({ KeyId: key }))
    await expect(get('/own', true)).rejects.toMatchObject(refusal('InvalidKeyId', 'is disabled'))
    await expect(put('/none', 'x', { Type: 'SecureString', KeyId: 'alias/none' })).rejects.toMatchObject(
      refusal('InvalidKeyId'),
    )
  })
})

describe('hierarchies', () => {
  test('by path: one level or all, by page, by label; rights on the path', async () => {
    for (const name of ['/app/a', '/app/b', '/app/sub/c', '/application', '/other/d']) await put(name, name)
    const names = async (input: sdk.GetParametersByPathCommandInput, client = ssm) =>
      (await client.send(new sdk.GetParametersByPathCommand(input))).Parameters?.map(({ Name }) => Name)
    expect(await names({ Path: '/app' })).toEqual(['/app/a', '/app/b'])
    expect(await names({ Path: '/app/', Recursive: true })).toEqual(['/app/a', '/app/b', '/app/sub/c'])
    const first = await ssm.send(new sdk.GetParametersByPathCommand({ Path: '/', Recursive: true, MaxResults: 2 }))
    expect(await names({ Path: '/', Recursive: true, MaxResults: 10, NextToken: first.NextToken })).toEqual([
      '/app/sub/c',
      '/application',
      '/other/d',
    ])
    await ssm.send(new sdk.LabelParameterVersionCommand({ Name: '/app/b', Labels: ['live'] }))
    expect(
      await names({ Path: '/app', ParameterFilters: [{ Key: 'Label', Option: 'Equals', Values: ['live'] }] }),
    ).toEqual(['/app/b'])
    await ssm.send(new sdk.LabelParameterVersionCommand({ Name: '/app/a', Labels: ['next'] }))
    const either = { Key: 'Label', Option: 'Equals', Values: ['live', 'next'] }
    expect(await names({ Path: '/app', ParameterFilters: [either] })).toEqual(['/app/a', '/app/b'])
    for (const wrong of [
      { Key: 'Tier', Values: ['Standard'] },
      { Key: 'DataType', Values: ['text'] },
    ])
      await expect(names({ Path: '/app', ParameterFilters: [wrong] })).rejects.toMatchObject(
        refusal('InvalidFilterKey'),
      )
    const begins = { ...either, Option: 'BeginsWith' }
    await expect(names({ Path: '/app', ParameterFilters: [begins] })).rejects.toMatchObject(
      refusal('InvalidFilterOption'),
    )
    const described = await ssm.send(
      new sdk.DescribeParametersCommand({ ParameterFilters: [{ ...begins, Values: ['li'] }] }),
    )
    expect(described.Parameters?.map(({ Name }) => Name)).toEqual(['/app/b'])
    await expect(names({ Path: 'app' })).rejects.toMatchObject(refusal('ValidationException'))
    const narrow = as(
      await drydock.user('narrow', [
        allow('ssm:GetParametersByPath', 'arn:aws:ssm:us-east-1:000000000000:parameter/app', {
          Bool: { 'ssm:Recursive': 'false' },
        }),
      ]),
    )
    expect(await names({ Path: '/app' }, narrow)).toHaveLength(2)
    await expect(names({ Path: '/app', Recursive: true }, narrow)).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    await expect(names({ Path: '/other' }, narrow)).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('several at once, and what they are', async () => {
    await put('/a', '1', { Tags: [{ Key: 'team', Value: 'blue' }], Description: 'first' })
    await put('/b', '2', { Type: 'StringList' })
    const { Parameters, InvalidParameters } = await ssm.send(
      new sdk.GetParametersCommand({ Names: ['/a', '/none', '/b'] }),
    )
    expect([Parameters?.map(({ Value }) => Value), InvalidParameters]).toEqual([['1', '2'], ['/none']])
    const described = async (ParameterFilters: sdk.ParameterStringFilter[]) =>
      (await ssm.send(new sdk.DescribeParametersCommand({ ParameterFilters }))).Parameters?.map(({ Name }) => Name)
    expect(await described([{ Key: 'Type', Values: ['StringList'] }])).toEqual(['/b'])
    expect(await described([{ Key: 'tag:team', Values: ['blue'] }])).toEqual(['/a'])
    expect(await described([{ Key: 'Name', Option: 'Contains', Values: ['a'] }])).toEqual(['/a'])
    expect(await described([{ Key: 'Path', Option: 'Recursive', Values: ['/'] }])).toEqual(['/a', '/b'])
    await expect(described([{ Key: 'Name', Option: 'Recursive', Values: ['a'] }])).rejects.toMatchObject(
      refusal('InvalidFilterOption'),
    )
    await ssm.send(
      new sdk.AddTagsToResourceCommand({
        ResourceType: 'Parameter',
        ResourceId: '/b',
        Tags: [{ Key: 'team', Value: 'red' }],
      }),
    )
    const blue = as(
      await drydock.user('blue', [
        allow('ssm:GetParameter', '*', { StringEquals: { 'aws:ResourceTag/team': 'blue' } }),
      ]),
    )
    expect(await get('/a', false, blue)).toMatchObject({ Value: '1' })
    await expect(get('/b', false, blue)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const gone = await ssm.send(new sdk.DeleteParametersCommand({ Names: ['/a', '/none'] }))
    expect(gone).toMatchObject({ DeletedParameters: ['/a'], InvalidParameters: ['/none'] })
  })
})

test.each(['', '{{ssm:/other}}'])('%j is no value', async (value) => {
  await expect(put('/valueless', value)).rejects.toMatchObject(refusal('ValidationException'))
})

test('policies of advanced parameters: told before it expires, told when it does not change, gone when it has expired', async () => {
  const Policies = JSON.stringify([
    { Type: 'Expiration', Version: '1.0', Attributes: { Timestamp: '2026-12-03T09:00:00.000Z' } },
    { Type: 'ExpirationNotification', Version: '1.0', Attributes: { Before: '2', Unit: 'Days' } },
    { Type: 'NoChangeNotification', Version: '1.0', Attributes: { After: '36', Unit: 'Hours' } },
  ])
  await expect(put('/token', 'x', { Policies })).rejects.toMatchObject(refusal('ValidationException'))
  await put('/token', 'x', { Policies, Tier: 'Advanced' })
  await put('/kept', 'x', { Policies, Tier: 'Advanced' })
  await put(' /kept ', 'y', { Overwrite: true, Policies: '[{}]' })
  const acted = () =>
    drydock.events
      .filter((event) => event['detail-type'] === 'Parameter Store Policy Action')
      .map(({ detail, time }) => [detail['policy-type'], time])
  await drydock.advance({ days: 2 })
  expect(acted()).toEqual([['NoChangeNotification', '2026-11-24T21:00:00.000Z']])
  const { Parameters } = await ssm.send(new sdk.DescribeParametersCommand({}))
  const token = Parameters?.find(({ Name }) => Name === '/token')
  expect(token?.Policies?.map(({ PolicyStatus }) => PolicyStatus)).toEqual(['Pending', 'Pending', 'Finished'])
  await drydock.advance({ days: 7 })
  // Told once: a new version does not tell again that it expires.
  await put('/token', 'y', { Overwrite: true })
  expect(acted().map(([type]) => type)).toEqual(['NoChangeNotification', 'ExpirationNotification'])
  await drydock.advance({ days: 1 })
  await expect(get('/token')).rejects.toMatchObject(refusal('ParameterNotFound'))
  expect(await get('/kept')).toMatchObject({ Name: '/kept', Value: 'y' })
  await expect(
    put('/bad', 'x', { Tier: 'Advanced', Policies: '[{"Type":"Expiration","Version":"1.0","Attributes":{}}]' }),
  ).rejects.toMatchObject(refusal('InvalidPolicyAttributeException'))
})

test('a parameter of one part is found by its ARN, with and without a slash in its name', async () => {
  await put('plain', 'one')
  await put('/slashed', 'two')
  const arn = (name: string) => `arn:aws:ssm:us-east-1:000000000000:parameter/${name}`
  expect(await get(arn('plain'))).toMatchObject({ Value: 'one', ARN: arn('plain') })
  expect(await get(arn('slashed'))).toMatchObject({ Value: 'two', ARN: arn('slashed') })
})

describe('sharing with other accounts', () => {
  const other = { accessKeyId: '111111111111', secretAccessKey: 'any' }
  const owner = '000000000000'
  const arn = (name: string) => `arn:aws:ssm:us-east-1:${owner}:parameter${name}`
  const sharing = (ResourceArn: string, more: object = {}) => ({
    ResourceArn,
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: '111111111111' },
          Action: ['ssm:GetParameter', 'ssm:GetParameters'],
          Resource: ResourceArn,
          ...more,
        },
      ],
    }),
  })
  const share = (ResourceArn: string, more: object = {}) =>
    ssm.send(new sdk.PutResourcePolicyCommand(sharing(ResourceArn, more)))
  let theirs: sdk.SSMClient
  beforeEach(async () => {
    await drydock.close()
    drydock = await story({ config: { auth: 'trust' } })
    ssm = drydock.client(sdk.SSMClient)
    theirs = as(other)
  })

  test('a policy lets another account read by ARN, until it is taken back', async () => {
    await put('/shared/url', 'one', { Tier: 'Advanced' })
    await put('/shared/url', 'two', { Overwrite: true })
    const where = arn('/shared/url')
    await expect(get(where, false, theirs)).rejects.toMatchObject(refusal('AccessDeniedException'))
    const { PolicyId = '', PolicyHash = '' } = await share(where)
    expect(await get(where, false, theirs)).toMatchObject({ Value: 'two', ARN: where, Version: 2 })
    expect(await get(`${where}:1`, false, theirs)).toMatchObject({ Value: 'one', ARN: where, Selector: ':1' })
    const many = await theirs.send(new sdk.GetParametersCommand({ Names: [where] }))
    expect(many.Parameters).toMatchObject([{ Value: 'two' }])
    const history = () => theirs.send(new sdk.GetParameterHistoryCommand({ Name: where }))
    await expect(history()).rejects.toMatchObject(refusal('AccessDeniedException'))
    // Its name alone is a name of one's own account; and what is shared by a policy alone is not listed.
    await expect(get('/shared/url', false, theirs)).rejects.toMatchObject(refusal('ParameterNotFound'))
    expect((await theirs.send(new sdk.DescribeParametersCommand({ Shared: true }))).Parameters).toEqual([])

    const wider = sharing(where, { Action: ['ssm:GetParameter', 'ssm:GetParameterHistory'] })
    await expect(
      ssm.send(new sdk.PutResourcePolicyCommand({ ...wider, PolicyId, PolicyHash: 'old' })),
    ).rejects.toMatchObject(refusal('ResourcePolicyConflictException'))
    const changed = await ssm.send(new sdk.PutResourcePolicyCommand({ ...wider, PolicyId, PolicyHash }))
    expect(changed.PolicyId).toBe(PolicyId)
    expect((await history()).Parameters).toMatchObject([{ Value: 'one' }, { Value: 'two' }])
    const policies = () => ssm.send(new sdk.GetResourcePoliciesCommand({ ResourceArn: where }))
    expect((await policies()).Policies).toEqual([{ PolicyId, PolicyHash: changed.PolicyHash, Policy: wider.Policy }])
    await put('/shared/url', 'three', { Overwrite: true })
    expect(await get(where, false, theirs)).toMatchObject({ Value: 'three' })
    const remove = (id: string, hash?: string) =>
      ssm.send(new sdk.DeleteResourcePolicyCommand({ ResourceArn: where, PolicyId: id, PolicyHash: hash ?? '' }))
    await expect(remove('none')).rejects.toMatchObject(refusal('ResourcePolicyNotFoundException'))
    await expect(remove(PolicyId, PolicyHash)).rejects.toMatchObject(refusal('ResourcePolicyConflictException'))
    await remove(PolicyId, changed.PolicyHash)
    expect((await policies()).Policies).toEqual([])
    await expect(get(where, false, theirs)).rejects.toMatchObject(refusal('AccessDeniedException'))
  })

  test('a secret is shared with its key', async () => {
    const kms = drydock.client(kmsSdk.KMSClient)
    const { KeyMetadata } = await kms.send(new kmsSdk.CreateKeyCommand({}))
    const KeyId = KeyMetadata?.Arn ?? ''
    await put('/secret', 'hush', { Type: 'SecureString', KeyId, Tier: 'Advanced' })
    await put('/default', 'hush', { Type: 'SecureString', Tier: 'Advanced' })
    await share(arn('/secret'))
    await expect(share(arn('/default'))).rejects.toMatchObject(refusal('ResourcePolicyInvalidParameterException'))
    expect(await get(arn('/secret'), false, theirs)).toMatchObject({ Type: 'SecureString' })
    await expect(get(arn('/secret'), true, theirs)).rejects.toMatchObject(
      refusal('AccessDeniedException', 'kms:Decrypt'),
    )
    const statement = (AWS: string, Action: string) => ({ Effect: 'Allow', Principal: { AWS }, Action, Resource: '*' })
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [statement(`arn:aws:iam::${owner}:root`, 'kms:*'), statement('111111111111', 'kms:Decrypt')],
    })
    await kms.send(new kmsSdk.PutKeyPolicyCommand({ KeyId, Policy }))
    expect(await get(arn('/secret'), true, theirs)).toMatchObject({ Value: 'hush' })
  })

  test.each<[name: string, where: string, more: object]>([
    ['ResourcePolicyInvalidParameterException', '/standard', {}],
    ['ResourceNotFoundException', '/nothing', {}],
    ['MalformedResourcePolicyDocumentException', '/advanced', { Action: 'ssm:PutParameter' }],
    ['MalformedResourcePolicyDocumentException', '/advanced', { Action: 'ssm:*' }],
    ['MalformedResourcePolicyDocumentException', '/advanced', { Resource: '*' }],
    ['MalformedResourcePolicyDocumentException', '/advanced', { Principal: undefined }],
    ['MalformedResourcePolicyDocumentException', '/advanced', { Effect: 'Maybe' }],
    ['ResourcePolicyLimitExceededException', '/advanced', { Sid: 'x'.repeat(1024) }],
  ])('%s: %s %j', async (name, where, more) => {
    await put('/standard', 'x')
    await put('/advanced', 'x', { Tier: 'Advanced' })
    await expect(share(arn(where), more)).rejects.toMatchObject(refusal(name))
    await expect(get(arn(where), false, theirs)).rejects.toMatchObject(refusal('AccessDeniedException'))
  })
})
