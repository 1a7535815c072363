import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import {
  type ConfigurationKind,
  configuration,
  noSuchConfiguration,
  pageOfConfigurations,
} from './bucket-configuration.ts'
import { fail, malformedXml } from './operation.ts'
import { checkTags } from './tags.ts'

// Configurations of which a bucket has many, each under an id: inventories, metrics, analyses, tierings.

type Addressed = Parameters<typeof bucketOf>[2]
type Identified = Addressed & { readonly Id: string }
type Also = (tx: WriteTx, bucket: BucketRecord) => Promise<void> | void

const mostConfigurations = 1000

/** A kind of them, with what their four operations have in common. */
export const configurationSet = <D extends { readonly Id?: string | undefined }>(kind: ConfigurationKind) => {
  const rows = configuration<D>(kind)
  return {
    ...rows,
    /** Throws MalformedXML, InvalidConfigurationId, TooManyConfigurations. `also` may refuse, or write more. */
    set: async (ctx: Ctx, input: Identified, document: D, also: Also): Promise<Record<string, never>> => {
      if (document.Id !== input.Id) throw malformedXml()
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(input.Id))
        throw fail('InvalidConfigurationId', 'The specified configuration ID is invalid.')
      return ctx.write(async (tx) => {
        const bucket = await bucketOf(ctx, tx, input)
        const before = await rows.find(tx, bucket, input.Id)
        if (!before && (await rows.list(tx, bucket)).length >= mostConfigurations)
          throw fail(
            'TooManyConfigurations',
            'You are attempting to create a new configuration but have already reached the 1,000-configuration limit.',
          )
        tx.put(Bucket, rows.put(tx, bucket, document, input.Id))
        await also(tx, bucket)
        return {}
      })
    },
    /** Throws NoSuchConfiguration. */
    get: async (ctx: Ctx, input: Identified): Promise<D> => {
      const found = await ctx.read(async (tx) => rows.find(tx, await bucketOf(ctx, tx, input), input.Id))
      if (!found) throw noSuchConfiguration()
      return found
    },
    page: (ctx: Ctx, input: Addressed & { readonly ContinuationToken?: string | undefined }) =>
      pageOfConfigurations(input, (after, limit) =>
        ctx.read(async (tx) => rows.list(tx, await bucketOf(ctx, tx, input), after, limit)),
      ),
    /** Throws NoSuchConfiguration. */
    drop: (ctx: Ctx, input: Identified, also: Also = () => undefined): Promise<Record<string, never>> =>
      ctx.write(async (tx) => {
        const bucket = await bucketOf(ctx, tx, input)
        if (!(await rows.find(tx, bucket, input.Id))) throw noSuchConfiguration()
        tx.put(Bucket, await rows.remove(tx, bucket, input.Id))
        await also(tx, bucket)
        return {}
      }),
  }
}

type WireTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }
type WireFilter = {
  readonly Prefix?: string | undefined
  readonly Tag?: WireTag | undefined
  readonly And?: { readonly Prefix?: string | undefined; readonly Tags?: readonly WireTag[] | undefined } | undefined
}

/** Which objects a configuration is about: all whose key begins so and that have these tags. */
export type Filter = { readonly prefix: string; readonly tags: readonly WireTag[] }

export const filterOf = (filter: WireFilter | undefined): Filter => ({
  prefix: filter?.Prefix ?? filter?.And?.Prefix ?? '',
  tags: [...(filter?.Tag ? [filter.Tag] : []), ...(filter?.And?.Tags ?? [])],
})

/** Throws MalformedXML for a filter that says more than one thing outside of `And`, InvalidTag. */
export const checkFilter = (filter: WireFilter | undefined): void => {
  if (!filter) return
  const said = [filter.Prefix, filter.Tag, filter.And].filter((each) => each !== undefined)
  if (said.length > 1) throw malformedXml()
  checkTags(filterOf(filter).tags, 'object')
}

export const fits = (
  { prefix, tags }: Filter,
  { key, tags: has = [] }: { readonly key: string; readonly tags?: readonly { key: string; value: string }[] },
): boolean =>
  key.startsWith(prefix) && tags.every(({ Key, Value }) => has.some((tag) => tag.key === Key && tag.value === Value))
