import { accessKeyIdOf } from '../../kernel/access-key-id.ts'
import type { Ctx } from '../../kernel/context.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Prefixes of unique ids (IAM user guide, "IAM identifiers"). */
type Prefix = 'AIDA' | 'AROA' | 'AGPA' | 'ANPA' | 'AIPA' | 'ACCA' | 'ASCA'

/** A unique id: prefix and 17 characters. */
export const uniqueId = (ctx: Ctx, prefix: Prefix): string => `${prefix}${ctx.random(17, alphabet)}`

/** Of an SSH public key. It names its account: who comes with it over SSH says nothing else. */
export const sshKeyId = (ctx: Ctx): string => accessKeyIdOf('APKA', ctx.account, ctx.random(16, alphabet))

export const accessKeyId = (ctx: Ctx): string => accessKeyIdOf('AKIA', ctx.account, ctx.random(16, alphabet))

/** Now, in whole seconds as IAM tells times; milliseconds since the epoch. */
export const stamp = (ctx: Ctx): number => Math.floor(ctx.now().getTime() / 1000) * 1000

/** IAM's ARNs name no region: `arn:aws:iam::123456789012:user/team/alice`. */
export const iamArn = (account: string, type: string, { path, name }: { path: string; name: string }): string =>
  `arn:aws:iam::${account}:${type}${path}${name}`

/** The name at the end of an IAM ARN of this type and account; `undefined` when it is none. */
export const nameInArn = (arn: string, account: string, type: string): string | undefined => {
  const start = `arn:aws:iam::${account}:${type}/`
  return arn.startsWith(start) ? arn.slice(arn.lastIndexOf('/') + 1) : undefined
}
