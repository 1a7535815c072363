import type { Operation } from './operation.ts'

// What cannot be made here yet, and so is nowhere: answers that are true, for tools that ask before they delete.

const ListSAMLProviders: Operation<'ListSAMLProviders'> = () => ({ SAMLProviderList: [] })

export const absent = {
  ListSAMLProviders,
}
