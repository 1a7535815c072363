import type { SigningCertificate } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { readCertificate } from './certificates.ts'
import { type SigningCertificateRecord, SigningCertificates } from './credential-records.ts'
import { stamp } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import type { UserRecord } from './records.ts'
import { isActive } from './statuses.ts'

const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

const toCertificate = (user: UserRecord, certificate: SigningCertificateRecord): SigningCertificate => ({
  UserName: user.name,
  CertificateId: certificate.id,
  CertificateBody: certificate.body,
  Status: certificate.active ? 'Active' : 'Inactive',
  UploadDate: new Date(certificate.uploaded),
})

const getCertificate = async (ctx: Ctx, tx: ReadTx, userName: string | undefined, id: string) => {
  const user = await namedOrCaller(ctx, tx, userName)
  const certificate = await tx.get(SigningCertificates, id)
  if (certificate?.user !== user.id)
    throw fail('NoSuchEntityException', `The Certificate with id ${id} cannot be found.`)
  return certificate
}

/** Two per user. Errors: MalformedCertificate for what cannot be read or is not valid now, DuplicateCertificate. */
const UploadSigningCertificate: Operation<'UploadSigningCertificate'> = async (ctx, input) => {
  const fingerprint = readCertificate(input.CertificateBody, ctx.now()).fingerprint256
  const id = ctx.random(32, idAlphabet)
  return ctx.write(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    if ((await tx.list(SigningCertificates, { index: 'fingerprint', equals: fingerprint, limit: 1 })).length > 0)
      throw fail('DuplicateCertificateException', 'The certificate is already associated with a user of this account.')
    const own = await tx.list(SigningCertificates, { index: 'user', equals: user.id })
    if (own.length >= 2) throw fail('LimitExceededException', 'Cannot exceed quota for SigningCertificatesPerUser: 2')
    const certificate = tx.put(SigningCertificates, {
      id,
      user: user.id,
      body: input.CertificateBody,
      fingerprint,
      active: true,
      uploaded: stamp(ctx),
    })
    return { Certificate: toCertificate(user, certificate) }
  })
}

/** The root user has none. */
const ListSigningCertificates: Operation<'ListSigningCertificates'> = async (ctx, input) => {
  if (input.UserName === undefined && ctx.principal.kind === 'root') return { Certificates: [], IsTruncated: false }
  return ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    const page = await pageOfTable(tx, SigningCertificates, input, () => true, { index: 'user', equals: user.id })
    return { Certificates: page.items.map((certificate) => toCertificate(user, certificate)), ...tail(page) }
  })
}

const UpdateSigningCertificate: Operation<'UpdateSigningCertificate'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const certificate = await getCertificate(ctx, tx, input.UserName, input.CertificateId)
    tx.put(SigningCertificates, { ...certificate, active: isActive(input.Status) })
  })
  return {}
}

const DeleteSigningCertificate: Operation<'DeleteSigningCertificate'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const certificate = await getCertificate(ctx, tx, input.UserName, input.CertificateId)
    tx.delete(SigningCertificates, certificate.id)
  })
  return {}
}

export const signingCertificates = {
  UploadSigningCertificate,
  ListSigningCertificates,
  UpdateSigningCertificate,
  DeleteSigningCertificate,
}
