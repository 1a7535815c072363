import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { Pipeline, type PipelineRecord, pipelineArn, type Tag } from './pipeline.ts'

const mostTags = 50

/** AWS's rules for tags. Raises InvalidTagsException and TooManyTagsException. */
export const checkTags = (arn: string, tags: readonly Tag[]): void => {
  const keys = tags.map(({ key }) => key)
  const system = keys.find((key) => key.toLowerCase().startsWith('aws:'))
  if (system !== undefined)
    throw fail(
      'InvalidTagsException',
      "Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]",
    )
  if (new Set(keys).size < keys.length) throw fail('InvalidTagsException', 'Tag keys must be unique')
  if (tags.length > mostTags) throw fail('TooManyTagsException', `Tag limit exceeded for resource [${arn}].`)
}

/** The pipeline whose ARN it is. Raises InvalidArnException and ResourceNotFoundException. */
const pipelineBy = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<PipelineRecord> => {
  const prefix = pipelineArn(ctx, '')
  const name = arn.startsWith(prefix) ? arn.slice(prefix.length) : ''
  if (!/^[A-Za-z0-9.@_-]{1,100}$/.test(name))
    throw fail('InvalidArnException', `The ARN ${arn} is not the ARN of a pipeline here`)
  const pipeline = await tx.get(Pipeline, name)
  if (!pipeline)
    throw fail(
      'ResourceNotFoundException',
      `The account with id '${ctx.account}' does not include a pipeline with the name '${name}'`,
    )
  return pipeline
}

export const TagResource: Operation<'TagResource'> = (ctx, { resourceArn, tags }) =>
  ctx.write(async (tx) => {
    const pipeline = await pipelineBy(ctx, tx, resourceArn)
    checkTags(resourceArn, tags)
    const kept = pipeline.tags.filter(({ key }) => !tags.some((tag) => tag.key === key))
    const all = [...kept, ...tags]
    checkTags(resourceArn, all)
    tx.put(Pipeline, { ...pipeline, tags: all })
    return {}
  })

export const UntagResource: Operation<'UntagResource'> = (ctx, { resourceArn, tagKeys }) =>
  ctx.write(async (tx) => {
    const pipeline = await pipelineBy(ctx, tx, resourceArn)
    tx.put(Pipeline, { ...pipeline, tags: pipeline.tags.filter(({ key }) => !tagKeys.includes(key)) })
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (
  ctx,
  { resourceArn, maxResults = 100, nextToken },
) =>
  ctx.read(async (tx) => {
    const after = positionOf(nextToken)
    const { tags } = await pipelineBy(ctx, tx, resourceArn)
    const sorted = tags
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .filter(({ key }) => after === undefined || key > after)
    const { page, ...rest } = pageOf(sorted, maxResults, ({ key }) => key)
    return { tags: [...page], ...rest }
  })
