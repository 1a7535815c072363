import { defineService } from '../../kernel/service.ts'
import { accessPoints, accountBlocks, buckets } from '../capabilities.ts'
import {
  DeleteAccessPointPolicy,
  GetAccessPointPolicy,
  GetAccessPointPolicyStatus,
  PutAccessPointPolicy,
} from './access-point-policy.ts'
import { CreateAccessPoint, DeleteAccessPoint, GetAccessPoint, ListAccessPoints } from './access-points.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock } from './public-access-block.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

export const service = defineService<NS>()({
  id: 's3control',
  tables: [],
  operations: {
    CreateAccessPoint,
    DeleteAccessPoint,
    DeleteAccessPointPolicy,
    DeletePublicAccessBlock,
    GetAccessPoint,
    GetAccessPointPolicy,
    GetAccessPointPolicyStatus,
    GetPublicAccessBlock,
    ListAccessPoints,
    ListTagsForResource,
    PutAccessPointPolicy,
    PutPublicAccessBlock,
    TagResource,
    UntagResource,
  },
  partial: {
    CreateAccessPoint:
      'Access points of buckets only. One of a VPC refuses every request: from which VPC one came is not told. Public lists of objects count through one that ignores them.',
    ListAccessPoints: 'Access points of buckets only: no filter by data source.',
    TagResource: 'Buckets and access points only.',
    UntagResource: 'Buckets and access points only.',
    ListTagsForResource: 'Buckets and access points only.',
  },
  access,
  uses: [accountBlocks, accessPoints, buckets],
})
