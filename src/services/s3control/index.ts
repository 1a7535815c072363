import { defineService } from '../../kernel/service.ts'
import { accountBlocks } from '../capabilities.ts'
import type { NS } from './operation.ts'
import { DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock } from './public-access-block.ts'

const everywhere = (action: string) => () => [{ action, resources: ['*'] }]

export const service = defineService<NS>()({
  id: 's3control',
  tables: [],
  operations: { DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock },
  access: {
    operations: {
      GetPublicAccessBlock: everywhere('s3:GetAccountPublicAccessBlock'),
      PutPublicAccessBlock: everywhere('s3:PutAccountPublicAccessBlock'),
      DeletePublicAccessBlock: everywhere('s3:PutAccountPublicAccessBlock'),
    },
  },
  uses: [accountBlocks],
})
