import type { Ctx } from '../../kernel/context.ts'
import { publicImages } from '../capabilities.ts'
import type { Version } from './parameter.ts'

/** AWS's public parameters (`/aws/service/…`), as far as what they name is here. */
export const publicParameters = (ctx: Ctx): readonly { readonly name: string; readonly version: Version }[] =>
  Object.entries(ctx.use(publicImages).parameters(ctx.place))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({
      name,
      version: {
        version: 1,
        type: 'String' as const,
        value,
        modified: Date.UTC(2026, 0, 1),
        user: 'AWS',
        tier: 'Standard' as const,
        dataType: 'aws:ec2:image',
        policies: [],
      },
    }))
