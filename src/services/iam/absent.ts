import type { Operation } from './operation.ts'
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

export const absent = {
  ListSigningCertificates,
  ListServerCertificates,
  ListSAMLProviders,
}
