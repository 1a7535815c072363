import { createHash, randomBytes } from 'node:crypto'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch'
import * as sdk from '@aws-sdk/client-kms'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { integrityValue } from './xks-proxy.ts'
import { credential, host, startXksProxy, type XksProxy } from './xks-proxy-bench.ts'

const base = '/team/kms/xks/v1'
let drydock: Story
let kms: sdk.KMSClient
let proxy: XksProxy
beforeAll(async () => {
  proxy = await startXksProxy(base)
  const { port } = Object.values(proxy.hosts)[0] ?? { port: 0 }
  drydock = await story({
    config: {
      auth: 'trust',
      hosts: {
        ...proxy.hosts,
        // The right proxy, by an authority that is not trusted; under a name that its certificate has not; and nobody.
        'untrusted.example.com': { port },
        'misnamed.example.com': { ...proxy.hosts[host], port },
        'silent.example.com': { port: 1 },
      },
    },
  })
  kms = drydock.client(sdk.KMSClient)
})
afterAll(async () => {
  await drydock.close()
  await proxy.close()
})
afterEach(() => {
  proxy.instead = undefined
  proxy.healths = ['ACTIVE']
  expect(drydock.logged.join()).not.toContain(credential.RawSecretAccessKey)
})

let stores = 0
const settings = (more: Partial<sdk.CreateCustomKeyStoreCommandInput> = {}) => ({
  CustomKeyStoreName: `store ${++stores}`,
  CustomKeyStoreType: 'EXTERNAL_KEY_STORE' as const,
  XksProxyConnectivity: 'PUBLIC_ENDPOINT' as const,
  XksProxyUriEndpoint: `https://${host}`,
  XksProxyUriPath: base,
  XksProxyAuthenticationCredential: credential,
  ...more,
})
const create = async (more?: Partial<sdk.CreateCustomKeyStoreCommandInput>, client = kms) =>
  (await client.send(new sdk.CreateCustomKeyStoreCommand(settings(more)))).CustomKeyStoreId ?? ''
const describeStore = async (CustomKeyStoreId: string, client = kms) =>
  (await client.send(new sdk.DescribeCustomKeyStoresCommand({ CustomKeyStoreId }))).CustomKeyStores?.[0]
const connect = async (CustomKeyStoreId: string, client = kms) => {
  await client.send(new sdk.ConnectCustomKeyStoreCommand({ CustomKeyStoreId }))
  await drydock.settled()
  return describeStore(CustomKeyStoreId, client)
}
const disconnect = (CustomKeyStoreId: string, client = kms) =>
  client.send(new sdk.DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }))
const remove = (CustomKeyStoreId: string, client = kms) =>
  client.send(new sdk.DeleteCustomKeyStoreCommand({ CustomKeyStoreId }))

/** Stories about stores each have an account of their own: a proxy's address is one store's in an account and Region. */
let accounts = 100_000_000_000
const elsewhere = () => {
  accounts += 1
  return drydock.client(sdk.KMSClient, present())
}
const present = () => ({ accessKeyId: String(accounts), secretAccessKey: 'test' })

describe('a store', () => {
  test('is made, connected, changed, disconnected and deleted; its secret is never shown', async () => {
    const client = elsewhere()
    const id = await create({ CustomKeyStoreName: 'mine' }, client)
    expect(id).toMatch(/^cks-[0-9a-f]{17}$/)
    expect(proxy.asked.at(-1)).toMatchObject({
      path: `${base}/health`,
      body: { requestMetadata: { kmsOperation: 'CreateCustomKeyStore', kmsRequestId: expect.any(String) } },
    })
    expect(await describeStore(id, client)).toEqual({
      CustomKeyStoreId: id,
      CustomKeyStoreName: 'mine',
      CustomKeyStoreType: 'EXTERNAL_KEY_STORE',
      ConnectionState: 'DISCONNECTED',
      CreationDate: expect.any(Date),
      XksProxyConfiguration: {
        Connectivity: 'PUBLIC_ENDPOINT',
        AccessKeyId: credential.AccessKeyId,
        UriEndpoint: `https://${host}`,
        UriPath: base,
      },
    })
    expect(await connect(id, client)).toMatchObject({ ConnectionState: 'CONNECTED' })
    await client.send(new sdk.ConnectCustomKeyStoreCommand({ CustomKeyStoreId: id }))
    await client.send(
      new sdk.UpdateCustomKeyStoreCommand({
        CustomKeyStoreId: id,
        NewCustomKeyStoreName: 'renamed',
        XksProxyAuthenticationCredential: credential,
      }),
    )
    expect(proxy.asked.at(-1)?.body).toMatchObject({ requestMetadata: { kmsOperation: 'UpdateCustomKeyStore' } })
    await expect(
      client.send(
        new sdk.UpdateCustomKeyStoreCommand({ CustomKeyStoreId: id, XksProxyUriEndpoint: `https://${host}` }),
      ),
    ).rejects.toMatchObject({ name: 'CustomKeyStoreInvalidStateException' })
    await expect(remove(id, client)).rejects.toMatchObject({ name: 'CustomKeyStoreInvalidStateException' })
    await disconnect(id, client)
    await expect(disconnect(id, client)).rejects.toMatchObject({ name: 'CustomKeyStoreInvalidStateException' })
    const found = await client.send(new sdk.DescribeCustomKeyStoresCommand({ CustomKeyStoreName: 'renamed' }))
    expect(found.CustomKeyStores?.map(({ ConnectionState }) => ConnectionState)).toEqual(['DISCONNECTED'])
    await remove(id, client)
    const { Events = [] } = await drydock.client(CloudTrailClient, present()).send(new LookupEventsCommand({}))
    const records = Events.map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent ?? ''))
    const recordOf = (eventName: string) => records.find((record) => record.eventName === eventName)
    expect(recordOf('CreateCustomKeyStore')).toMatchObject({
      requestParameters: { customKeyStoreName: 'mine', xksProxyUriPath: base },
      responseElements: { customKeyStoreId: id },
    })
    expect(recordOf('DeleteCustomKeyStore')).toMatchObject({ additionalEventData: { customKeyStoreName: 'renamed' } })
    expect(JSON.stringify(records)).not.toContain(credential.RawSecretAccessKey)
    await expect(describeStore(id, client)).rejects.toMatchObject({ name: 'CustomKeyStoreNotFoundException' })
  })

  test('needs a name and an address of its own', async () => {
    const client = elsewhere()
    const id = await create({ CustomKeyStoreName: 'taken' }, client)
    await expect(create({ CustomKeyStoreName: 'taken' }, client)).rejects.toMatchObject({
      name: 'CustomKeyStoreNameInUseException',
    })
    await expect(create({ XksProxyUriEndpoint: `https://${host.toUpperCase()}` }, client)).rejects.toMatchObject({
      name: 'XksProxyUriInUseException',
    })
    await remove(id, client)
  })

  test.each<[string, Partial<sdk.CreateCustomKeyStoreCommandInput>, string, RegExp]>([
    [
      'nobody there',
      { XksProxyUriEndpoint: 'https://silent.example.com' },
      'XksProxyUriUnreachableException',
      /cannot communicate/,
    ],
    [
      'an authority nobody trusts',
      { XksProxyUriEndpoint: 'https://untrusted.example.com' },
      'XksProxyUriUnreachableException',
      /TLS connection/,
    ],
    [
      'a certificate of another name',
      { XksProxyUriEndpoint: 'https://misnamed.example.com' },
      'XksProxyUriUnreachableException',
      /TLS connection/,
    ],
    [
      'a name of this machine',
      { XksProxyUriEndpoint: 'https://localhost' },
      'XksProxyUriUnreachableException',
      /cannot communicate/,
    ],
    [
      'an address of this machine',
      { XksProxyUriEndpoint: 'https://127.0.0.1' },
      'XksProxyUriUnreachableException',
      /cannot communicate/,
    ],
    [
      'a metadata address',
      { XksProxyUriEndpoint: 'https://169.254.169.254' },
      'XksProxyUriUnreachableException',
      /cannot communicate/,
    ],
    [
      'another path',
      { XksProxyUriPath: '/other/kms/xks/v1' },
      'XksProxyInvalidConfigurationException',
      /invalid URI path/,
    ],
    [
      'another secret',
      { XksProxyAuthenticationCredential: { ...credential, RawSecretAccessKey: 'x'.repeat(43) } },
      'XksProxyIncorrectAuthenticationCredentialException',
      /could not authenticate AWS KMS/,
    ],
    [
      'a VPC endpoint service that is not there',
      {
        XksProxyConnectivity: 'VPC_ENDPOINT_SERVICE',
        XksProxyVpcEndpointServiceName: 'com.amazonaws.vpce.us-east-1.vpce-svc-1234567890abcdef0',
      },
      'XksProxyVpcEndpointServiceNotFoundException',
      /vpce-svc-1234567890abcdef0/,
    ],
    ['no path', { XksProxyUriPath: undefined }, 'ValidationException', /XksProxyUriPath/],
    [
      'a CloudHSM cluster that is not there',
      { CustomKeyStoreType: 'AWS_CLOUDHSM', CloudHsmClusterId: 'cluster-234abcdefABC' },
      'CloudHsmClusterNotFoundException',
      /cluster-234abcdefABC/,
    ],
  ])('is refused for %s', async (_, more, name, message) => {
    await expect(create(more, elsewhere())).rejects.toMatchObject({ name, message: expect.stringMatching(message) })
  })

  test.each<[string, () => { status: number; body: unknown } | undefined, string, string]>([
    [
      'no JSON',
      () => ({ status: 200, body: '<html>' }),
      'XksProxyInvalidResponseException',
      'XKS_PROXY_INVALID_RESPONSE',
    ],
    ['no health', () => ({ status: 200, body: {} }), 'XksProxyInvalidResponseException', 'XKS_PROXY_INVALID_RESPONSE'],
    [
      'an endless answer',
      () => ({ status: 200, body: { long: 'x'.repeat(100_000) } }),
      'XksProxyInvalidResponseException',
      'XKS_PROXY_INVALID_RESPONSE',
    ],
    [
      'an error without a name',
      () => ({ status: 500, body: {} }),
      'XksProxyInvalidResponseException',
      'XKS_PROXY_INVALID_RESPONSE',
    ],
    [
      'a name from nowhere',
      () => ({ status: 400, body: { errorName: 'constructor' } }),
      'XksProxyInvalidResponseException',
      'XKS_PROXY_INVALID_RESPONSE',
    ],
    [
      'InternalException',
      () => ({ status: 500, body: { errorName: 'InternalException' } }),
      'XksProxyInvalidResponseException',
      'XKS_PROXY_INVALID_RESPONSE',
    ],
    [
      'DependencyTimeoutException',
      () => ({ status: 503, body: { errorName: 'DependencyTimeoutException' } }),
      'XksProxyUriUnreachableException',
      'XKS_PROXY_TIMED_OUT',
    ],
    [
      'ThrottlingException',
      () => ({ status: 429, body: { errorName: 'ThrottlingException' } }),
      'XksProxyUriUnreachableException',
      'XKS_PROXY_NOT_REACHABLE',
    ],
  ])('that answers %s', async (_, instead, name, code) => {
    const client = elsewhere()
    const id = await create({}, client)
    proxy.instead = instead
    await expect(create({ XksProxyUriPath: '/a/kms/xks/v1' }, client)).rejects.toMatchObject({ name })
    expect(await connect(id, client)).toMatchObject({ ConnectionState: 'FAILED', ConnectionErrorCode: code })
    // It stays as it is until somebody disconnects it.
    await expect(connect(id, client)).rejects.toMatchObject({ name: 'CustomKeyStoreInvalidStateException' })
    proxy.instead = undefined
    await disconnect(id, client)
    expect(await describeStore(id, client)).not.toHaveProperty('ConnectionErrorCode')
    expect(await connect(id, client)).toMatchObject({ ConnectionState: 'CONNECTED' })
  })

  test('is of use while one of its key managers works', async () => {
    const client = elsewhere()
    proxy.healths = ['UNAVAILABLE', 'DEGRADED']
    const id = await create({}, client)
    proxy.healths = ['UNAVAILABLE', 'UNAVAILABLE']
    expect(await connect(id, client)).toMatchObject({
      ConnectionState: 'FAILED',
      ConnectionErrorCode: 'XKS_PROXY_NOT_REACHABLE',
    })
  })
})

describe('a key in a store', () => {
  /** A connected store in an account of its own, and a key in it. */
  const begin = async (client = elsewhere()) => {
    const store = await create({}, client)
    await connect(store, client)
    const { KeyMetadata: key } = await client.send(new sdk.CreateKeyCommand(keyInput(store)))
    return { client, store, KeyId: key?.KeyId ?? '', key }
  }
  const keyInput = (
    CustomKeyStoreId: string,
    more: Partial<sdk.CreateKeyCommandInput> = {},
  ): sdk.CreateKeyCommandInput => ({
    Origin: 'EXTERNAL_KEY_STORE',
    CustomKeyStoreId,
    XksKeyId: 'one',
    ...more,
  })
  const Plaintext = Buffer.from('for two locks')
  const EncryptionContext = { team: 'blue' }

  test('is encrypted twice: neither KMS nor the key manager alone can read it', async () => {
    const { client, store, KeyId, key } = await begin()
    expect(key).toMatchObject({
      Origin: 'EXTERNAL_KEY_STORE',
      CustomKeyStoreId: store,
      XksKeyConfiguration: { Id: 'one' },
      KeyState: 'Enabled',
      KeySpec: 'SYMMETRIC_DEFAULT',
    })
    expect(key).not.toHaveProperty('CurrentKeyMaterialId')
    const { CiphertextBlob } = await client.send(new sdk.EncryptCommand({ KeyId, Plaintext, EncryptionContext }))
    const asked = proxy.asked.at(-1)
    expect(asked).toMatchObject({
      path: `${base}/keys/one/encrypt`,
      body: {
        requestMetadata: {
          awsPrincipalArn: `arn:aws:iam::${accounts}:root`,
          kmsKeyArn: key?.Arn,
          kmsOperation: 'Encrypt',
          kmsRequestId: expect.any(String),
        },
        encryptionAlgorithm: 'AES_GCM',
        ciphertextDataIntegrityValueAlgorithm: 'SHA_256',
      },
    })
    expect(JSON.stringify(asked)).not.toContain(Plaintext.toString('base64'))
    expect(await client.send(new sdk.DecryptCommand({ CiphertextBlob, EncryptionContext }))).toMatchObject({
      KeyId: key?.Arn,
      Plaintext: new Uint8Array(Plaintext),
    })
    await expect(client.send(new sdk.DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
      message: expect.stringContaining('ciphertext or encryption context is corrupted'),
    })
    const short = CiphertextBlob?.slice(0, -60)
    await expect(
      client.send(new sdk.DecryptCommand({ CiphertextBlob: short, EncryptionContext })),
    ).rejects.toMatchObject({ name: expect.stringMatching(/^(KMSInvalidStateException|InvalidCiphertextException)$/) })
    // The same external key with other bytes: the key manager refuses.
    const secret = proxy.keys.get('one') ?? Buffer.alloc(0)
    proxy.keys.set('one', randomBytes(32))
    await expect(client.send(new sdk.DecryptCommand({ CiphertextBlob, EncryptionContext }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
    })
    proxy.keys.set('one', secret)
  })

  test('gives data keys, and takes and gives what is re-encrypted', async () => {
    const { client, KeyId, key } = await begin()
    const { KeyMetadata: plain } = await client.send(new sdk.CreateKeyCommand({}))
    const made = await client.send(new sdk.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext }))
    const moved = await client.send(
      new sdk.ReEncryptCommand({
        CiphertextBlob: made.CiphertextBlob,
        SourceEncryptionContext: EncryptionContext,
        DestinationKeyId: plain?.KeyId,
      }),
    )
    expect(proxy.asked.at(-1)?.body).toMatchObject({ requestMetadata: { kmsOperation: 'ReEncrypt' } })
    const back = await client.send(
      new sdk.ReEncryptCommand({ CiphertextBlob: moved.CiphertextBlob, DestinationKeyId: KeyId }),
    )
    expect(back).toMatchObject({ SourceKeyId: plain?.Arn, KeyId: key?.Arn })
    const opened = await client.send(new sdk.DecryptCommand({ CiphertextBlob: back.CiphertextBlob }))
    expect(opened.Plaintext).toEqual(made.Plaintext)
    const without = await client.send(new sdk.GenerateDataKeyWithoutPlaintextCommand({ KeyId, NumberOfBytes: 24 }))
    expect((await client.send(new sdk.DecryptCommand(without))).Plaintext).toHaveLength(24)
  })

  test('is unavailable while its store is disconnected, and what it was after that', async () => {
    const { client, store, KeyId } = await begin()
    const { CiphertextBlob } = await client.send(new sdk.EncryptCommand({ KeyId, Plaintext }))
    await client.send(new sdk.CreateAliasCommand({ AliasName: 'alias/managed', TargetKeyId: KeyId }))
    await disconnect(store, client)
    const { KeyMetadata } = await client.send(new sdk.DescribeKeyCommand({ KeyId }))
    expect(KeyMetadata).toMatchObject({ KeyState: 'Unavailable', Enabled: false })
    const message =
      'This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again.'
    await expect(client.send(new sdk.DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
      message,
    })
    await expect(client.send(new sdk.CreateKeyCommand(keyInput(store, { XksKeyId: 'two' })))).rejects.toMatchObject({
      name: 'CustomKeyStoreInvalidStateException',
      message,
    })
    await expect(remove(store, client)).rejects.toMatchObject({ name: 'CustomKeyStoreHasCMKsException' })
    // It can be managed all the while; what that did shows when it is there again.
    await client.send(new sdk.DisableKeyCommand({ KeyId }))
    await client.send(new sdk.EnableKeyCommand({ KeyId }))
    // A connection that fails changes nothing for the key.
    proxy.healths = ['UNAVAILABLE']
    await connect(store, client)
    await expect(client.send(new sdk.DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({ message })
    proxy.healths = ['ACTIVE']
    await disconnect(store, client)
    await connect(store, client)
    expect((await client.send(new sdk.DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(new Uint8Array(Plaintext))
    await client.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    await disconnect(store, client)
    await expect(remove(store, client)).rejects.toMatchObject({ name: 'CustomKeyStoreHasCMKsException' })
    await drydock.advance({ days: 7 })
    await remove(store, client)
  })

  test('has an external key of its own, which must be there and fit', async () => {
    const { client, store } = await begin()
    const make = (more: Partial<sdk.CreateKeyCommandInput>) =>
      client.send(new sdk.CreateKeyCommand(keyInput(store, more)))
    await expect(make({})).rejects.toMatchObject({ name: 'XksKeyAlreadyInUseException' })
    await expect(make({ XksKeyId: 'missing' })).rejects.toMatchObject({ name: 'XksKeyNotFoundException' })
    await expect(make({ XksKeyId: undefined })).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(make({ CustomKeyStoreId: undefined })).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(make({ Origin: undefined })).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(make({ Origin: 'AWS_CLOUDHSM' })).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    await expect(make({ CustomKeyStoreId: 'cks-none' })).rejects.toMatchObject({
      name: 'CustomKeyStoreNotFoundException',
    })
    await expect(make({ MultiRegion: true })).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    await expect(make({ KeySpec: 'RSA_2048' })).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    await expect(make({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })).rejects.toMatchObject({
      name: 'UnsupportedOperationException',
    })
    const metadata = (more: object) => () => ({
      status: 200,
      body: { keySpec: 'AES_256', keyUsage: ['ENCRYPT', 'DECRYPT'], keyStatus: 'ENABLED', ...more },
    })
    for (const more of [{ keySpec: 'AES_128' }, { keyUsage: ['ENCRYPT'] }, { keyStatus: 'DISABLED' }]) {
      proxy.instead = metadata(more)
      await expect(make({ XksKeyId: 'two' })).rejects.toMatchObject({ name: 'XksKeyInvalidConfigurationException' })
    }
    proxy.instead = () => ({ status: 403, body: { errorName: 'AccessDeniedException' } })
    await expect(make({ XksKeyId: 'two' })).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    proxy.instead = undefined
    await expect(make({ XksKeyId: 'two' })).resolves.toBeDefined()
  })

  test.each<[string, unknown, RegExp]>([
    ['a lost key', { errorName: 'KeyNotFoundException' }, /was not found in its external key manager/],
    ['a disabled key', { errorName: 'InvalidStateException' }, /is not enabled in the external key manager/],
    ['a key for other things', { errorName: 'InvalidKeyUsageException' }, /does not support the requested operation/],
    ['a denial', { errorName: 'AccessDeniedException' }, /denied access to the operation/],
    ['a wish to be left alone', { errorName: 'ThrottlingException' }, /very high request rate/],
    ['nonsense', 'what?', /cannot interpret the response/],
  ])('says KMSInvalidStateException for %s', async (_, body, message) => {
    const { client, KeyId } = await begin()
    proxy.instead = () => ({ status: 400, body })
    await expect(client.send(new sdk.EncryptCommand({ KeyId, Plaintext }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
      message: expect.stringMatching(message),
    })
  })

  const good = (sealed: number) => {
    const wrapped = {
      ciphertext: randomBytes(sealed),
      metadata: Buffer.from('v'),
      iv: randomBytes(12),
      tag: randomBytes(16),
    }
    return {
      ciphertext: wrapped.ciphertext.toString('base64'),
      ciphertextMetadata: wrapped.metadata.toString('base64'),
      initializationVector: wrapped.iv.toString('base64'),
      authenticationTag: wrapped.tag.toString('base64'),
    }
  }
  test.each<[string, object]>([
    ['without integrity value', {}],
    ['with a wrong integrity value', { ciphertextDataIntegrityValue: createHash('sha256').digest('base64') }],
    ['of another length', { ciphertext: 'AAAA' }],
    ['with endless metadata', { ciphertextMetadata: Buffer.alloc(21).toString('base64') }],
    ['with a short tag', { authenticationTag: Buffer.alloc(12).toString('base64') }],
    ['that is no base64', { initializationVector: '????????????????' }],
  ])('believes no answer %s', async (_, more) => {
    const { client, KeyId } = await begin()
    proxy.instead = () => ({ status: 200, body: { ...good(Plaintext.length + 28), ...more } })
    await expect(client.send(new sdk.EncryptCommand({ KeyId, Plaintext }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
      message: expect.stringContaining('cannot interpret the response'),
    })
  })

  test('is measured, with all that goes wrong', async () => {
    const { client, store, KeyId } = await begin()
    proxy.instead = () => ({ status: 429, body: { errorName: 'ThrottlingException' } })
    await expect(client.send(new sdk.EncryptCommand({ KeyId, Plaintext }))).rejects.toBeDefined()
    const watch = drydock.client(CloudWatchClient, present())
    const { Metrics = [] } = await watch.send(new ListMetricsCommand({ Namespace: 'AWS/KMS' }))
    const found = Metrics.map(({ MetricName, Dimensions = [] }) => ({
      MetricName,
      ...Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value])),
    }))
    const asked = {
      CustomKeyStoreId: store,
      KmsOperation: 'Encrypt',
      XksOperation: 'Encrypt',
      KeySpec: 'SYMMETRIC_DEFAULT',
    }
    expect(found).toContainEqual({ MetricName: 'XksProxyLatency', ...asked })
    expect(found).toContainEqual({
      MetricName: 'XksProxyErrors',
      ...asked,
      ErrorType: 'Retryable errors',
      ExceptionName: 'ThrottlingException',
    })
    expect(found).toContainEqual({
      MetricName: 'XksExternalKeyManagerStates',
      CustomKeyStoreId: store,
      XksExternalKeyManagerState: 'Active',
    })
  })

  test('is not for what keys of KMS’ own store can do', async () => {
    const { client, store, KeyId } = await begin()
    const unsupported = { name: 'UnsupportedOperationException' }
    await expect(client.send(new sdk.EnableKeyRotationCommand({ KeyId }))).rejects.toMatchObject(unsupported)
    await expect(client.send(new sdk.GetKeyRotationStatusCommand({ KeyId }))).rejects.toMatchObject(unsupported)
    await expect(client.send(new sdk.RotateKeyOnDemandCommand({ KeyId }))).rejects.toMatchObject(unsupported)
    await expect(
      client.send(
        new sdk.GetParametersForImportCommand({
          KeyId,
          WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
          WrappingKeySpec: 'RSA_2048',
        }),
      ),
    ).rejects.toMatchObject({ ...unsupported, message: expect.stringContaining('origin is EXTERNAL_KEY_STORE') })
    await expect(
      client.send(new sdk.GenerateDataKeyPairCommand({ KeyId, KeyPairSpec: 'ECC_NIST_P256' })),
    ).rejects.toMatchObject(unsupported)
    await expect(
      client.send(new sdk.GenerateRandomCommand({ NumberOfBytes: 8, CustomKeyStoreId: store })),
    ).rejects.toMatchObject(unsupported)
  })

  test('may be denied by where its material comes from, and tells the proxy who asks', async () => {
    const { store, KeyId } = await begin(kms)
    const keys = await drydock.user('teller', [
      allow(['kms:CreateKey', 'kms:Encrypt'], '*', { StringEquals: { 'kms:KeyOrigin': 'AWS_KMS' } }),
    ])
    const teller = drydock.client(sdk.KMSClient, keys)
    await expect(teller.send(new sdk.CreateKeyCommand(keyInput(store, { XksKeyId: 'two' })))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    await kms.send(
      new sdk.CreateGrantCommand({
        KeyId,
        GranteePrincipal: `arn:aws:iam::${drydock.account}:user/teller`,
        Operations: ['Encrypt'],
      }),
    )
    await teller.send(new sdk.EncryptCommand({ KeyId, Plaintext }))
    expect(proxy.asked.at(-1)?.body).toMatchObject({
      requestMetadata: { awsPrincipalArn: `arn:aws:iam::${drydock.account}:user/teller` },
    })
  })
})

test('the integrity value is the specification’s', () => {
  const wrapped = {
    metadata: Buffer.from('key_version=1'),
    iv: Buffer.from('HMrlRw85cAJUd5Ax', 'base64'),
    ciphertext: Buffer.from('ghxkK1txeDNn3q8Y', 'base64'),
    tag: Buffer.from('vBxN2ncH1oEkR8WVXpmyYQ==', 'base64'),
  }
  expect(integrityValue(Buffer.from('project=nile,department=marketing'), wrapped)).toBe(
    'qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=',
  )
})
