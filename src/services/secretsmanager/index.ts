import { defineService } from '../../kernel/service.ts'
import { awsManagedKeys, principals } from '../capabilities.ts'
import { access } from './iam.ts'
import { BatchGetSecretValue, ListSecrets } from './list.ts'
import type { NS } from './operation.ts'
import { GetRandomPassword } from './password.ts'
import { RemoveRegionsFromReplication, ReplicateSecretToRegions, StopReplicationToReplica } from './replication.ts'
import {
  DeleteResourcePolicy,
  GetResourcePolicy,
  PutResourcePolicy,
  ValidateResourcePolicy,
} from './resource-policy.ts'
import { CancelRotateSecret, RotateSecret, rotation } from './rotation.ts'
import { Secret, Value } from './secret.ts'
import {
  CreateSecret,
  DeleteSecret,
  DescribeSecret,
  deletion,
  RestoreSecret,
  TagResource,
  UntagResource,
  UpdateSecret,
} from './secrets.ts'
import { GetSecretValue, ListSecretVersionIds, PutSecretValue, UpdateSecretVersionStage } from './versions.ts'

/** Secrets Manager: values under KMS with the caller's own rights, by versions and stages; rotation, replicas, policies. */
export const service = defineService<NS>()({
  id: 'secretsmanager',
  tables: [Secret, Value],
  operations: {
    ...{ CreateSecret, DescribeSecret, UpdateSecret, DeleteSecret, RestoreSecret, ListSecrets },
    ...{ PutSecretValue, GetSecretValue, BatchGetSecretValue, UpdateSecretVersionStage, ListSecretVersionIds },
    ...{ RotateSecret, CancelRotateSecret, GetRandomPassword },
    ...{ PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy, ValidateResourcePolicy },
    ...{ ReplicateSecretToRegions, RemoveRegionsFromReplication, StopReplicationToReplica },
    ...{ TagResource, UntagResource },
  },
  partial: {
    CreateSecret: 'Managed external secrets (Type) are refused.',
    UpdateSecret: 'Managed external secrets (Type) are refused.',
    PutSecretValue:
      'RotationToken is held against nothing: there are no rotation functions yet whose role it could vouch for.',
    RotateSecret: 'Functions are not there yet (Lambda): refused as for a function that cannot be invoked.',
  },
  access,
  reconcilers: [deletion, rotation],
  uses: [awsManagedKeys, principals],
})
