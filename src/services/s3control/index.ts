import { defineService } from '../../kernel/service.ts'
import { accessPoints, accountBlocks, batchObjects, buckets } from '../capabilities.ts'
import {
  DeleteAccessPointPolicy,
  GetAccessPointPolicy,
  GetAccessPointPolicyStatus,
  PutAccessPointPolicy,
} from './access-point-policy.ts'
import { CreateAccessPoint, DeleteAccessPoint, GetAccessPoint, ListAccessPoints } from './access-points.ts'
import { GetDataAccess } from './grants/data-access.ts'
import { Grant, Instance, Location } from './grants/grant.ts'
import {
  CreateAccessGrant,
  DeleteAccessGrant,
  GetAccessGrant,
  ListAccessGrants,
  ListCallerAccessGrants,
} from './grants/grants.ts'
import {
  AssociateAccessGrantsIdentityCenter,
  CreateAccessGrantsInstance,
  DeleteAccessGrantsInstance,
  DeleteAccessGrantsInstanceResourcePolicy,
  DissociateAccessGrantsIdentityCenter,
  GetAccessGrantsInstance,
  GetAccessGrantsInstanceForPrefix,
  GetAccessGrantsInstanceResourcePolicy,
  ListAccessGrantsInstances,
  PutAccessGrantsInstanceResourcePolicy,
} from './grants/instances.ts'
import {
  CreateAccessGrantsLocation,
  DeleteAccessGrantsLocation,
  GetAccessGrantsLocation,
  ListAccessGrantsLocations,
  UpdateAccessGrantsLocation,
} from './grants/locations.ts'
import { access } from './iam.ts'
import { Job, Task } from './jobs/job.ts'
import { CreateJob, DescribeJob, ListJobs, UpdateJobPriority, UpdateJobStatus } from './jobs/jobs.ts'
import { runJobs } from './jobs/run.ts'
import { DeleteJobTagging, GetJobTagging, PutJobTagging } from './jobs/tagging.ts'
import type { NS } from './operation.ts'
import { DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock } from './public-access-block.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

export const service = defineService<NS>()({
  id: 's3control',
  tables: [Job, Task, Instance, Location, Grant],
  operations: {
    CreateAccessPoint,
    CreateJob,
    DeleteAccessPoint,
    DeleteAccessPointPolicy,
    DeleteJobTagging,
    DeletePublicAccessBlock,
    DescribeJob,
    GetAccessPoint,
    GetAccessPointPolicy,
    GetAccessPointPolicyStatus,
    GetJobTagging,
    GetPublicAccessBlock,
    ListAccessPoints,
    ListJobs,
    ListTagsForResource,
    PutAccessPointPolicy,
    PutJobTagging,
    PutPublicAccessBlock,
    TagResource,
    UntagResource,
    UpdateJobPriority,
    UpdateJobStatus,
    ...{ CreateAccessGrantsInstance, GetAccessGrantsInstance, ListAccessGrantsInstances, DeleteAccessGrantsInstance },
    ...{ GetAccessGrantsInstanceForPrefix },
    ...{ AssociateAccessGrantsIdentityCenter, DissociateAccessGrantsIdentityCenter },
    ...{ PutAccessGrantsInstanceResourcePolicy, GetAccessGrantsInstanceResourcePolicy },
    ...{ DeleteAccessGrantsInstanceResourcePolicy },
    ...{ CreateAccessGrantsLocation, GetAccessGrantsLocation, UpdateAccessGrantsLocation },
    ...{ DeleteAccessGrantsLocation, ListAccessGrantsLocations },
    ...{
      CreateAccessGrant,
      GetAccessGrant,
      DeleteAccessGrant,
      ListAccessGrants,
      ListCallerAccessGrants,
      GetDataAccess,
    },
  },
  partial: {
    CreateAccessPoint:
      'Access points of buckets only. One of a VPC refuses every request: from which VPC one came is not told. Public lists of objects count through one that ignores them.',
    CreateJob:
      'Not for functions and checksums, and not for directory buckets; retention without event holds: the SDK in use does not send them.',
    UpdateJobPriority: 'Jobs run side by side, whatever their priority.',
    ListAccessPoints: 'Access points of buckets only: no filter by data source.',
    AssociateAccessGrantsIdentityCenter:
      'There is no IAM Identity Center here: every instance of one is refused as invalid.',
    DissociateAccessGrantsIdentityCenter:
      'There is no IAM Identity Center here: refused, as no instance is associated.',
    PutAccessGrantsInstanceResourcePolicy: 'An Organization is kept, and has no effect beside the policy.',
    CreateAccessGrant: 'To IAM users and roles only: users and groups of a directory are refused.',
    TagResource: 'Buckets, access points and what belongs to access grants only.',
    UntagResource: 'Buckets, access points and what belongs to access grants only.',
    ListTagsForResource: 'Buckets, access points and what belongs to access grants only.',
  },
  access,
  reconcilers: [runJobs],
  uses: [accountBlocks, accessPoints, batchObjects, buckets],
})
