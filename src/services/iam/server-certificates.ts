import type { ServerCertificateMetadata } from '@aws-sdk/client-iam'
import type { ReadTx } from '../../store/store.ts'
import { checkChain, checkKey, readCertificate } from './certificates.ts'
import { type ServerCertificateRecord, ServerCertificates } from './credential-records.ts'
import { iamArn, stamp, uniqueId } from './ids.ts'
import { fail, notFound, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { nameKey } from './records.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

/** IAM user guide, "Manage server certificates in IAM". */
const perAccount = 20

const toMetadata = (account: string, certificate: ServerCertificateRecord): ServerCertificateMetadata => ({
  Path: certificate.path,
  ServerCertificateName: certificate.name,
  ServerCertificateId: certificate.id,
  Arn: iamArn(account, 'server-certificate', certificate),
  UploadDate: new Date(certificate.uploaded),
  Expiration: new Date(certificate.expires),
})

const getCertificate = async (tx: ReadTx, name: string): Promise<ServerCertificateRecord> => {
  const certificate = await tx.get(ServerCertificates, nameKey(name))
  if (!certificate) throw notFound('Server Certificate', name)
  return certificate
}

const exists = (name: string) =>
  fail('EntityAlreadyExistsException', `The Server Certificate with name ${name} already exists.`)

/** The key must be the certificate's, and the chain its signers in order. The key is sealed and never told again. */
const UploadServerCertificate: Operation<'UploadServerCertificate'> = async (ctx, input) => {
  const { CertificateBody, CertificateChain, PrivateKey, ServerCertificateName } = input
  const certificate = readCertificate(CertificateBody, ctx.now())
  checkKey(certificate, PrivateKey)
  if (CertificateChain !== undefined) checkChain(certificate, CertificateChain)
  const key = ctx.seal(PrivateKey)
  return ctx.write(async (tx) => {
    if (await tx.get(ServerCertificates, nameKey(ServerCertificateName))) throw exists(ServerCertificateName)
    if ((await tx.list(ServerCertificates, { limit: perAccount })).length >= perAccount)
      throw fail('LimitExceededException', `Cannot exceed quota for ServerCertificatesPerAccount: ${perAccount}`)
    const record: ServerCertificateRecord = tx.put(ServerCertificates, {
      name: ServerCertificateName,
      path: input.Path ?? '/',
      id: uniqueId(ctx, 'ASCA'),
      uploaded: stamp(ctx),
      expires: certificate.validToDate.getTime(),
      body: CertificateBody,
      ...(CertificateChain === undefined ? {} : { chain: CertificateChain }),
      key,
      tags: withTags({}, input.Tags),
    })
    return {
      ServerCertificateMetadata: toMetadata(ctx.account, record),
      ...(input.Tags?.length ? { Tags: toTags(record.tags) } : {}),
    }
  })
}

const GetServerCertificate: Operation<'GetServerCertificate'> = async (ctx, { ServerCertificateName }) => {
  const certificate = await ctx.read((tx) => getCertificate(tx, ServerCertificateName))
  return {
    ServerCertificate: {
      ServerCertificateMetadata: toMetadata(ctx.account, certificate),
      CertificateBody: certificate.body,
      ...(certificate.chain === undefined ? {} : { CertificateChain: certificate.chain }),
      Tags: toTags(certificate.tags),
    },
  }
}

const ListServerCertificates: Operation<'ListServerCertificates'> = async (ctx, input) => {
  const start = input.PathPrefix ?? '/'
  const page = await ctx.read((tx) => pageOfTable(tx, ServerCertificates, input, ({ path }) => path.startsWith(start)))
  return {
    ServerCertificateMetadataList: page.items.map((certificate) => toMetadata(ctx.account, certificate)),
    ...tail(page),
  }
}

const UpdateServerCertificate: Operation<'UpdateServerCertificate'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const certificate = await getCertificate(tx, input.ServerCertificateName)
    const name = input.NewServerCertificateName ?? certificate.name
    if (nameKey(name) !== nameKey(certificate.name)) {
      if (await tx.get(ServerCertificates, nameKey(name))) throw exists(name)
      tx.delete(ServerCertificates, nameKey(certificate.name))
    }
    tx.put(ServerCertificates, { ...certificate, name, path: input.NewPath ?? certificate.path })
  })
  return {}
}

const DeleteServerCertificate: Operation<'DeleteServerCertificate'> = async (ctx, { ServerCertificateName }) => {
  await ctx.write(async (tx) =>
    tx.delete(ServerCertificates, nameKey((await getCertificate(tx, ServerCertificateName)).name)),
  )
  return {}
}

const TagServerCertificate: Operation<'TagServerCertificate'> = async (ctx, { ServerCertificateName, Tags }) => {
  await ctx.write(async (tx) => {
    const certificate = await getCertificate(tx, ServerCertificateName)
    tx.put(ServerCertificates, { ...certificate, tags: withTags(certificate.tags, Tags) })
  })
  return {}
}

const UntagServerCertificate: Operation<'UntagServerCertificate'> = async (ctx, { ServerCertificateName, TagKeys }) => {
  await ctx.write(async (tx) => {
    const certificate = await getCertificate(tx, ServerCertificateName)
    tx.put(ServerCertificates, { ...certificate, tags: withoutTags(certificate.tags, TagKeys) })
  })
  return {}
}

const ListServerCertificateTags: Operation<'ListServerCertificateTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getCertificate(tx, input.ServerCertificateName))).tags, input)

export const serverCertificates = {
  UploadServerCertificate,
  GetServerCertificate,
  ListServerCertificates,
  UpdateServerCertificate,
  DeleteServerCertificate,
  TagServerCertificate,
  UntagServerCertificate,
  ListServerCertificateTags,
}
