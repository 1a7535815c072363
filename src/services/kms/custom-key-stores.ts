import { notImplemented } from '../../kernel/errors.ts'
import { fail, type Operation } from './operation.ts'

// There are no CloudHSM clusters here, so none can be found; stores of external key managers are not made yet. What is
// never made can be listed truly: there is none.

const notFound = (id: string | undefined) =>
  fail('CustomKeyStoreNotFoundException', `The custom key store ${id} was not found in this account and Region.`)

export const CreateCustomKeyStore: Operation<'CreateCustomKeyStore'> = (_, input) => {
  if (input.CustomKeyStoreType === 'EXTERNAL_KEY_STORE') throw notImplemented('external key stores')
  throw fail('CloudHsmClusterNotFoundException', `The CloudHSM cluster ${input.CloudHsmClusterId} was not found.`)
}

export const DescribeCustomKeyStores: Operation<'DescribeCustomKeyStores'> = (_, input) => {
  if (input.CustomKeyStoreId !== undefined || input.CustomKeyStoreName !== undefined)
    throw notFound(input.CustomKeyStoreId ?? input.CustomKeyStoreName)
  return { CustomKeyStores: [], Truncated: false }
}

const refuse = (_: unknown, { CustomKeyStoreId }: { CustomKeyStoreId: string }): never => {
  throw notFound(CustomKeyStoreId)
}

export const ConnectCustomKeyStore: Operation<'ConnectCustomKeyStore'> = refuse
export const DisconnectCustomKeyStore: Operation<'DisconnectCustomKeyStore'> = refuse
export const UpdateCustomKeyStore: Operation<'UpdateCustomKeyStore'> = refuse
export const DeleteCustomKeyStore: Operation<'DeleteCustomKeyStore'> = refuse
