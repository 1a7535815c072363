import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testCertificate } from '../../../test/certificates.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'
import type { SqliteStore } from '../../store/sqlite.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const account = '000000000000'
const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`
const malformed = (message: string) => ({ name: 'MalformedCertificateException', message })
const unreadable = malformed('Unable to parse certificate. Please ensure the certificate is in PEM format.')

const expired = testCertificate('expired', { until: new Date('2026-01-01T00:00:00Z') })
const future = testCertificate('future', { from: new Date('2030-01-01T00:00:00Z') })

describe('server certificates', () => {
  const root = testCertificate('Root CA')
  const intermediate = testCertificate('Intermediate CA', { issuer: root })
  const site = testCertificate('shop.example.com', { issuer: intermediate })
  const upload = (ServerCertificateName: string, over: Partial<sdk.UploadServerCertificateCommandInput> = {}) =>
    iam.send(
      new sdk.UploadServerCertificateCommand({
        ServerCertificateName,
        CertificateBody: site.certificate,
        PrivateKey: site.key,
        ...over,
      }),
    )

  test('are uploaded with chain and key, told without the key, renamed, deleted', async () => {
    const CertificateChain = intermediate.certificate + root.certificate
    const { ServerCertificateMetadata } = await upload('shop', {
      Path: '/cloudfront/',
      CertificateChain,
      Tags: [{ Key: 'Site', Value: 'shop' }],
    })
    expect(ServerCertificateMetadata).toEqual({
      Path: '/cloudfront/',
      ServerCertificateName: 'shop',
      ServerCertificateId: expect.stringMatching(/^ASCA[A-Z2-7]{17}$/),
      Arn: arn('server-certificate/cloudfront/shop'),
      UploadDate: drydock.clock.now(),
      Expiration: new Date('2099-01-01T00:00:00Z'),
    })
    const get = async (ServerCertificateName: string) =>
      (await iam.send(new sdk.GetServerCertificateCommand({ ServerCertificateName }))).ServerCertificate
    expect(await get('shop')).toEqual({
      ServerCertificateMetadata,
      CertificateBody: site.certificate,
      CertificateChain,
      Tags: [{ Key: 'Site', Value: 'shop' }],
    })
    const rows = JSON.stringify([...(drydock.server.kernel.store as unknown as SqliteStore).export()])
    const records = JSON.stringify(
      await drydock.server.kernel.append.range(auditStream(account, 'us-east-1'), { limit: 1000 }),
    )
    expect(rows).toContain('cloudfront')
    for (const kept of [rows, records]) expect(kept).not.toContain('PRIVATE KEY')
    await expect(upload('SHOP')).rejects.toMatchObject({
      name: 'EntityAlreadyExistsException',
      message: 'The Server Certificate with name SHOP already exists.',
    })
    const listed = async (PathPrefix?: string) =>
      (
        await iam.send(new sdk.ListServerCertificatesCommand(PathPrefix === undefined ? {} : { PathPrefix }))
      ).ServerCertificateMetadataList?.map(({ ServerCertificateName }) => ServerCertificateName)
    expect(await listed('/cloudfront/')).toEqual(['shop'])
    expect(await listed('/other/')).toEqual([])
    await iam.send(
      new sdk.UpdateServerCertificateCommand({
        ServerCertificateName: 'shop',
        NewServerCertificateName: 'store',
        NewPath: '/',
      }),
    )
    expect((await get('store'))?.ServerCertificateMetadata?.Arn).toBe(arn('server-certificate/store'))
    await iam.send(
      new sdk.TagServerCertificateCommand({ ServerCertificateName: 'store', Tags: [{ Key: 'site', Value: 'new' }] }),
    )
    const tags = async () =>
      (await iam.send(new sdk.ListServerCertificateTagsCommand({ ServerCertificateName: 'store' }))).Tags
    expect(await tags()).toEqual([{ Key: 'site', Value: 'new' }])
    await iam.send(new sdk.UntagServerCertificateCommand({ ServerCertificateName: 'store', TagKeys: ['SITE'] }))
    expect(await tags()).toEqual([])
    expect((await iam.send(new sdk.GetAccountSummaryCommand({}))).SummaryMap?.ServerCertificates).toBe(
      (await listed())?.length,
    )
    await iam.send(new sdk.DeleteServerCertificateCommand({ ServerCertificateName: 'store' }))
    await expect(get('store')).rejects.toMatchObject({
      name: 'NoSuchEntityException',
      message: 'The Server Certificate with name store cannot be found.',
    })
  })

  const chainFault = (index: number) =>
    malformed(
      `Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: ${index}`,
    )
  /** Has the name of the intermediate, and another key. */
  const impostor = testCertificate('Intermediate CA', { issuer: root })
  test.each<[string, Partial<sdk.UploadServerCertificateCommandInput>, object]>([
    ['no PEM', { CertificateBody: 'certificate' }, unreadable],
    ['PEM of nothing', { CertificateBody: site.certificate.replace(/M[A-Za-z0-9+/]{20}/, 'AAAA') }, unreadable],
    ['something after it', { CertificateBody: `${site.certificate}more` }, unreadable],
    [
      'two certificates',
      { CertificateBody: site.certificate + root.certificate },
      malformed('The certificate body must hold one certificate. Put those that signed it into the chain.'),
    ],
    [
      'expired',
      { CertificateBody: expired.certificate, PrivateKey: expired.key },
      malformed("Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed."),
    ],
    [
      'not valid yet',
      { CertificateBody: future.certificate, PrivateKey: future.key },
      malformed("Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed."),
    ],
    [
      'no key',
      { PrivateKey: 'key' },
      malformed('Unable to parse private key. Please ensure the private key is in PEM format and not encrypted.'),
    ],
    [
      'an encrypted key',
      {
        PrivateKey: site.privateKey
          .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
          .toString(),
      },
      malformed('Unable to parse private key. Please ensure the private key is in PEM format and not encrypted.'),
    ],
    [
      "another's key",
      { PrivateKey: root.key },
      {
        name: 'KeyPairMismatchException',
        message: 'The public key certificate and the private key do not match.',
      },
    ],
    ['a chain that starts too high', { CertificateChain: root.certificate }, chainFault(0)],
    ['a chain in the wrong order', { CertificateChain: root.certificate + intermediate.certificate }, chainFault(0)],
    ['a chain with a stranger', { CertificateChain: intermediate.certificate + site.certificate }, chainFault(1)],
    ['a signer of the right name', { CertificateChain: impostor.certificate }, chainFault(0)],
    ['a chain of nothing', { CertificateChain: 'chain' }, unreadable],
  ])('%s is refused', async (_, input, failure) => {
    await expect(upload('bad', input)).rejects.toMatchObject(failure)
    await expect(iam.send(new sdk.GetServerCertificateCommand({ ServerCertificateName: 'bad' }))).rejects.toMatchObject(
      { name: 'NoSuchEntityException' },
    )
  })

  test('are authorized by ARN with the path; a new name needs permission too', async () => {
    await upload('guarded', { Path: '/web/' })
    const keys = await drydock.user('keeper', [allow('iam:*', arn('server-certificate/web/*'))])
    const client = drydock.client(sdk.IAMClient, keys)
    await expect(
      client.send(new sdk.GetServerCertificateCommand({ ServerCertificateName: 'guarded' })),
    ).resolves.toBeDefined()
    const move = (NewPath: string) =>
      client.send(
        new sdk.UpdateServerCertificateCommand({
          ServerCertificateName: 'guarded',
          NewServerCertificateName: 'moved',
          NewPath,
        }),
      )
    await expect(move('/')).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringContaining(arn('server-certificate/moved')),
    })
    await move('/web/')
    await client.send(new sdk.DeleteServerCertificateCommand({ ServerCertificateName: 'moved' }))
  })
})

describe('signing certificates', () => {
  const upload = (UserName: string, CertificateBody: string) =>
    iam.send(new sdk.UploadSigningCertificateCommand({ UserName, CertificateBody }))

  test('are two per user, of one user each, and keep him from being deleted', async () => {
    const UserName = 'signer'
    await iam.send(new sdk.CreateUserCommand({ UserName }))
    await iam.send(new sdk.CreateUserCommand({ UserName: 'cosigner' }))
    const [first, second, third] = ['first', 'second', 'third'].map((name) => testCertificate(name))
    const { Certificate } = await upload(UserName, first!.certificate)
    expect(Certificate).toEqual({
      UserName,
      CertificateId: expect.stringMatching(/^[A-Z2-7]{32}$/),
      CertificateBody: first!.certificate,
      Status: 'Active',
      UploadDate: drydock.clock.now(),
    })
    await expect(upload('cosigner', first!.certificate)).rejects.toMatchObject({
      name: 'DuplicateCertificateException',
    })
    await upload(UserName, second!.certificate)
    await expect(upload(UserName, third!.certificate)).rejects.toMatchObject({
      name: 'LimitExceededException',
      message: 'Cannot exceed quota for SigningCertificatesPerUser: 2',
    })
    const CertificateId = Certificate?.CertificateId
    const set = (Status: sdk.StatusType, by = UserName) =>
      iam.send(new sdk.UpdateSigningCertificateCommand({ UserName: by, CertificateId, Status }))
    await set('Inactive')
    await expect(set('Expired')).rejects.toMatchObject({ name: 'InvalidInputException' })
    await expect(set('Active', 'cosigner')).rejects.toMatchObject({
      name: 'NoSuchEntityException',
      message: `The Certificate with id ${CertificateId} cannot be found.`,
    })
    const list = async () => (await iam.send(new sdk.ListSigningCertificatesCommand({ UserName }))).Certificates ?? []
    expect((await list()).find((one) => one.CertificateId === CertificateId)?.Status).toBe('Inactive')
    await expect(iam.send(new sdk.DeleteUserCommand({ UserName }))).rejects.toMatchObject({
      name: 'DeleteConflictException',
      message: 'Cannot delete entity, must delete signing certificates first.',
    })
    for (const one of await list())
      await iam.send(new sdk.DeleteSigningCertificateCommand({ UserName, CertificateId: one.CertificateId }))
    await iam.send(new sdk.DeleteUserCommand({ UserName }))
  })

  test('that cannot be read or are not valid are refused', async () => {
    await iam.send(new sdk.CreateUserCommand({ UserName: 'scribbler' }))
    await expect(upload('scribbler', 'scribble')).rejects.toMatchObject(unreadable)
    await expect(upload('scribbler', expired.certificate)).rejects.toMatchObject({
      name: 'MalformedCertificateException',
    })
    expect((await iam.send(new sdk.ListSigningCertificatesCommand({ UserName: 'scribbler' }))).Certificates).toEqual([])
  })
})
