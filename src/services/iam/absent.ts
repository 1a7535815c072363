import { fail, type Operation } from './operation.ts'
import { getEntity } from './records.ts'

// What cannot be made here yet, and so is nowhere: answers that are true, for tools that ask before they delete.

const ListSigningCertificates: Operation<'ListSigningCertificates'> = async (ctx, { UserName }) => {
  if (UserName !== undefined) await ctx.read((tx) => getEntity(tx, 'user', UserName))
  return { Certificates: [], IsTruncated: false }
}

const ListServerCertificates: Operation<'ListServerCertificates'> = () => ({
  ServerCertificateMetadataList: [],
  IsTruncated: false,
})

const ListSAMLProviders: Operation<'ListSAMLProviders'> = () => ({ SAMLProviderList: [] })

/** No user has a password: there is no console to sign in to. */
const GetLoginProfile: Operation<'GetLoginProfile'> = async (ctx, { UserName }) => {
  const name = UserName ?? ctx.principal.name ?? ''
  await ctx.read((tx) => getEntity(tx, 'user', name))
  throw fail('NoSuchEntityException', `Login Profile for User ${name} cannot be found.`)
}

const DeleteLoginProfile: Operation<'DeleteLoginProfile'> = async (ctx, { UserName }) => {
  const name = UserName ?? ctx.principal.name ?? ''
  await ctx.read((tx) => getEntity(tx, 'user', name))
  throw fail('NoSuchEntityException', `Login Profile for User ${name} cannot be found.`)
}

const GetAccountPasswordPolicy: Operation<'GetAccountPasswordPolicy'> = ({ account }) => {
  throw fail('NoSuchEntityException', `The Password Policy with domain name ${account} cannot be found.`)
}

export const absent = {
  ListSigningCertificates,
  ListServerCertificates,
  ListSAMLProviders,
  GetLoginProfile,
  DeleteLoginProfile,
  GetAccountPasswordPolicy,
}
