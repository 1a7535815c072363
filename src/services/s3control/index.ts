import { defineService } from '../../kernel/service.ts'
import { accessPoints, accountBlocks, batchObjects, buckets } from '../capabilities.ts'
import {
  DeleteAccessPointPolicy,
  GetAccessPointPolicy,
  GetAccessPointPolicyStatus,
  PutAccessPointPolicy,
} from './access-point-policy.ts'
import { CreateAccessPoint, DeleteAccessPoint, GetAccessPoint, ListAccessPoints } from './access-points.ts'
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
  tables: [Job, Task],
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
  },
  partial: {
    CreateAccessPoint:
      'Access points of buckets only. One of a VPC refuses every request: from which VPC one came is not told. Public lists of objects count through one that ignores them.',
    CreateJob: 'Not for functions and checksums, and not for directory buckets.',
    UpdateJobPriority: 'Jobs run side by side, whatever their priority.',
    ListAccessPoints: 'Access points of buckets only: no filter by data source.',
    TagResource: 'Buckets and access points only.',
    UntagResource: 'Buckets and access points only.',
    ListTagsForResource: 'Buckets and access points only.',
  },
  access,
  reconcilers: [runJobs],
  uses: [accountBlocks, accessPoints, batchObjects, buckets],
})
