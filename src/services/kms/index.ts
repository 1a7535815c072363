import { defineService, provide } from '../../kernel/service.ts'
import { awsManagedKeys, principals, vendedMetrics } from '../capabilities.ts'
import { Decapsulate, DeriveSharedSecret, Encapsulate, GetPublicKey } from './agreement.ts'
import { CreateAlias, DeleteAlias, ListAliases, UpdateAlias } from './aliases.ts'
import { managedKeysProvider } from './aws-managed.ts'
import {
  ConnectCustomKeyStore,
  CreateCustomKeyStore,
  connecting,
  DeleteCustomKeyStore,
  DescribeCustomKeyStores,
  DisconnectCustomKeyStore,
  UpdateCustomKeyStore,
} from './custom-key-stores.ts'
import {
  GenerateDataKey,
  GenerateDataKeyPair,
  GenerateDataKeyPairWithoutPlaintext,
  GenerateDataKeyWithoutPlaintext,
  GenerateRandom,
} from './data-keys.ts'
import { Decrypt, Encrypt, ReEncrypt } from './encryption.ts'
import { CreateGrant, Grant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant } from './grants.ts'
import { access } from './iam.ts'
import { DeleteImportedKeyMaterial, GetParametersForImport, ImportKeyMaterial } from './import.ts'
import { Alias, Key } from './key.ts'
import { GetKeyPolicy, ListKeyPolicies, PutKeyPolicy } from './key-policy.ts'
import { KeyStore } from './key-store.ts'
import {
  CancelKeyDeletion,
  CreateKey,
  DescribeKey,
  DisableKey,
  EnableKey,
  ListKeys,
  ScheduleKeyDeletion,
  UpdateKeyDescription,
} from './keys.ts'
import { GetKeyLastUsage, LastUsage, noted } from './last-usage.ts'
import { GenerateMac, VerifyMac } from './mac.ts'
import { ReplicateKey, UpdatePrimaryRegion } from './multi-region.ts'
import type { NS } from './operation.ts'
import {
  DisableKeyRotation,
  EnableKeyRotation,
  GetKeyRotationStatus,
  ListKeyRotations,
  RotateKeyOnDemand,
} from './rotation.ts'
import { ListResourceTags, TagResource, UntagResource } from './tags.ts'
import { upkeep } from './upkeep.ts'

const recipient = 'Answers for Nitro enclaves (Recipient) are refused.'

/** KMS: keys that never leave, sealed under the server's master key; grants, policies, rotation, import, several Regions. */
export const service = defineService<NS>()({
  id: 'kms',
  tables: [Key, Alias, Grant, LastUsage, KeyStore],
  operations: {
    ...{ CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription },
    ...{ ScheduleKeyDeletion, CancelKeyDeletion },
    ...{ CreateAlias, UpdateAlias, DeleteAlias, ListAliases },
    Encrypt: noted('Encrypt', Encrypt),
    Decrypt: noted('Decrypt', Decrypt),
    ReEncrypt: noted('ReEncrypt', ReEncrypt),
    GenerateDataKey: noted('GenerateDataKey', GenerateDataKey),
    GenerateDataKeyWithoutPlaintext: noted('GenerateDataKeyWithoutPlaintext', GenerateDataKeyWithoutPlaintext),
    GenerateDataKeyPair: noted('GenerateDataKeyPair', GenerateDataKeyPair),
    GenerateDataKeyPairWithoutPlaintext: noted(
      'GenerateDataKeyPairWithoutPlaintext',
      GenerateDataKeyPairWithoutPlaintext,
    ),
    // The curves are loaded with the first signature.
    Sign: noted('Sign', async (ctx, input) => (await import('./signing.ts')).Sign(ctx, input)),
    Verify: noted('Verify', async (ctx, input) => (await import('./signing.ts')).Verify(ctx, input)),
    GenerateMac: noted('GenerateMac', GenerateMac),
    VerifyMac: noted('VerifyMac', VerifyMac),
    DeriveSharedSecret: noted('DeriveSharedSecret', DeriveSharedSecret),
    Encapsulate: noted('Encapsulate', Encapsulate),
    Decapsulate: noted('Decapsulate', Decapsulate),
    ...{ GenerateRandom, GetPublicKey, GetKeyLastUsage },
    ...{ GetKeyPolicy, PutKeyPolicy, ListKeyPolicies },
    ...{ CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant },
    ...{ EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations },
    ...{ GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial },
    ...{ ReplicateKey, UpdatePrimaryRegion },
    ...{ CreateCustomKeyStore, DescribeCustomKeyStores, UpdateCustomKeyStore, DeleteCustomKeyStore },
    ...{ ConnectCustomKeyStore, DisconnectCustomKeyStore },
    ...{ TagResource, UntagResource, ListResourceTags },
  },
  partial: {
    CreateCustomKeyStore:
      'There are no CloudHSM clusters and no VPC endpoint services here, so none is found: external key stores with a public endpoint only.',
    Decrypt: recipient,
    DeriveSharedSecret: recipient,
    GenerateDataKey: recipient,
    GenerateDataKeyPair: recipient,
    GenerateRandom: recipient,
  },
  access,
  reconcilers: [upkeep, connecting],
  provides: [provide(awsManagedKeys, managedKeysProvider)],
  uses: [principals, vendedMetrics],
})
