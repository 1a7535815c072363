import { defineService, provide } from '../../kernel/service.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { Decapsulate, DeriveSharedSecret, Encapsulate, GetPublicKey } from './agreement.ts'
import { CreateAlias, DeleteAlias, ListAliases, UpdateAlias } from './aliases.ts'
import { managedKeysProvider } from './aws-managed.ts'
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
import { Sign, Verify } from './signing.ts'
import { ListResourceTags, TagResource, UntagResource } from './tags.ts'
import { upkeep } from './upkeep.ts'

const recipient = 'Answers for Nitro enclaves (Recipient) are refused.'

/** KMS: keys that never leave, sealed under the server's master key; grants, policies, rotation, import, several Regions. */
export const service = defineService<NS>()({
  id: 'kms',
  tables: [Key, Alias, Grant],
  operations: {
    ...{ CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey, UpdateKeyDescription },
    ...{ ScheduleKeyDeletion, CancelKeyDeletion },
    ...{ CreateAlias, UpdateAlias, DeleteAlias, ListAliases },
    ...{ Encrypt, Decrypt, ReEncrypt },
    ...{ GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext },
    GenerateRandom,
    ...{ Sign, Verify, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate, GetPublicKey },
    ...{ GetKeyPolicy, PutKeyPolicy, ListKeyPolicies },
    ...{ CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant },
    ...{ EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations },
    ...{ GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial },
    ...{ ReplicateKey, UpdatePrimaryRegion },
    ...{ TagResource, UntagResource, ListResourceTags },
  },
  partial: {
    CreateKey: 'Keys in custom key stores (CloudHSM, external key store) are refused.',
    Decrypt: recipient,
    DeriveSharedSecret: recipient,
    GenerateDataKey: recipient,
    GenerateDataKeyPair: recipient,
    GenerateRandom: recipient,
    GetParametersForImport: 'Not under SM2.',
    Sign: 'MessageType EXTERNAL_MU is refused.',
    Verify: 'MessageType EXTERNAL_MU is refused.',
  },
  access,
  reconcilers: [upkeep],
  provides: [provide(awsManagedKeys, managedKeysProvider)],
})
