import type { ConnectionErrorCodeType } from '@aws-sdk/client-kms'
import type { AwsError } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

// What can go wrong with an external key store's proxy, and what KMS then says ("Error codes", External Key Store Proxy API
// Specification). Cryptographic operations have one exception for all of it, and tell the cause by the sentence.

type Code = Parameters<typeof fail>[0]
type Failure = {
  readonly sentence: string
  /** Of CreateCustomKeyStore and UpdateCustomKeyStore. */
  readonly store: Code
  readonly createKey: Code
  readonly connection: ConnectionErrorCodeType
}

const uninterpretable: Failure = {
  sentence:
    'AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, report it to your external key store proxy administrator.',
  store: 'XksProxyInvalidResponseException',
  createKey: 'CustomKeyStoreInvalidStateException',
  connection: 'XKS_PROXY_INVALID_RESPONSE',
}

const unreachable = (sentence: string, connection: ConnectionErrorCodeType = 'XKS_PROXY_NOT_REACHABLE'): Failure => ({
  sentence,
  store: 'XksProxyUriUnreachableException',
  createKey: 'CustomKeyStoreInvalidStateException',
  connection,
})

/** About one key, or one operation with it: no store's settings are wrong. */
const ofKey = (createKey: Code, sentence: string): Failure => ({ ...uninterpretable, createKey, sentence })

/** By what the proxy says of itself (`errorName`). */
const told = {
  ValidationException: uninterpretable,
  InvalidStateException: ofKey(
    'XksKeyInvalidConfigurationException',
    'The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request.',
  ),
  InvalidCiphertextException: ofKey(
    'CustomKeyStoreInvalidStateException',
    'The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid.',
  ),
  InvalidKeyUsageException: ofKey(
    'XksKeyInvalidConfigurationException',
    'The external key associated with this KMS key in an external key store does not support the requested operation. Enable the operation on the key in your external key manager, and try the request again.',
  ),
  AuthenticationFailedException: {
    sentence:
      'The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary.',
    store: 'XksProxyIncorrectAuthenticationCredentialException',
    createKey: 'CustomKeyStoreInvalidStateException',
    connection: 'INVALID_CREDENTIALS',
  },
  AccessDeniedException: {
    ...ofKey(
      'KMSInvalidStateException',
      'The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again.',
    ),
    connection: 'XKS_PROXY_ACCESS_DENIED',
  },
  KeyNotFoundException: ofKey(
    'XksKeyNotFoundException',
    'The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID.',
  ),
  InvalidUriPathException: {
    sentence:
      'The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary.',
    store: 'XksProxyInvalidConfigurationException',
    createKey: 'CustomKeyStoreInvalidStateException',
    connection: 'XKS_PROXY_INVALID_CONFIGURATION',
  },
  UnsupportedOperationException: ofKey(
    'XksKeyInvalidConfigurationException',
    'The external key store proxy rejected the request because it does not support the requested operation. If you see this error repeatedly, report it to your external key store proxy administrator.',
  ),
  DependencyTimeoutException: unreachable(
    'The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator.',
    'XKS_PROXY_TIMED_OUT',
  ),
  ThrottlingException: unreachable(
    'The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store.',
  ),
  InternalException: {
    ...uninterpretable,
    sentence:
      'The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available.',
  },
} as const satisfies Record<string, Failure>

/** What KMS finds itself. */
const found = {
  malformed: uninterpretable,
  unreachable: unreachable(
    'AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is correct in your external key store.',
  ),
  untrusted: unreachable(
    'AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate.',
    'XKS_PROXY_INVALID_TLS_CONFIGURATION',
  ),
  late: unreachable(
    'AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator.',
    'XKS_PROXY_TIMED_OUT',
  ),
  unavailable: unreachable(
    'The external key store proxy reports that all external key manager instances are unavailable.',
  ),
  unreadable: ofKey(
    'CustomKeyStoreInvalidStateException',
    'The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted, missing, or otherwise invalid.',
  ),
  unsuitable: ofKey(
    'XksKeyInvalidConfigurationException',
    'The external key must be an enabled 256-bit AES key (AES_256) that supports ENCRYPT and DECRYPT.',
  ),
  disconnected: unreachable(
    'This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again.',
  ),
} as const satisfies Record<string, Failure>

/** Nothing came of a request to a proxy. Who asked for it says what that means to the caller. */
export class ProxyFailure extends Error {
  readonly failure: Failure
  /** The proxy's name for it, or else KMS'. */
  readonly exception: string
  constructor(failure: Failure, exception: string = failure.store) {
    super(failure.sentence)
    this.failure = failure
    this.exception = exception
  }
}

export const failed = (kind: keyof typeof found): ProxyFailure => new ProxyFailure(found[kind])

/** A proxy's own word for it; one that the specification does not know is no answer that can be understood. */
export const refused = (errorName: unknown): ProxyFailure =>
  typeof errorName === 'string' && Object.hasOwn(told, errorName)
    ? new ProxyFailure(told[errorName as keyof typeof told], errorName)
    : failed('malformed')

/** Runs what asks a proxy; a failure becomes the exception that operations of this kind have for it. */
export const asOperation = async <T>(
  kind: 'store' | 'createKey' | 'cryptographic',
  body: () => Promise<T>,
): Promise<T> => {
  try {
    return await body()
  } catch (thrown) {
    if (!(thrown instanceof ProxyFailure)) throw thrown
    throw exceptionOf(kind, thrown)
  }
}

const exceptionOf = (kind: 'store' | 'createKey' | 'cryptographic', { failure }: ProxyFailure): AwsError =>
  fail(kind === 'cryptographic' ? 'KMSInvalidStateException' : failure[kind], failure.sentence)
