import { accountOf, fail, type Operation } from '../operation.ts'
import { checkTags, toTags } from '../tags.ts'
import { getJob, Job } from './job.ts'

// Tags of jobs ("Controlling access and labeling jobs using tags", S3 user guide).

const mostTags = 50

/** Replaces all tags. Errors: NotFoundException, TooManyTagsException. */
export const PutJobTagging: Operation<'PutJobTagging'> = async (ctx, input) => {
  accountOf(ctx, input)
  if (input.Tags.length > mostTags)
    throw fail('TooManyTagsException', `The number of tags must not exceed ${mostTags}.`)
  const tags = checkTags(input.Tags)
  return ctx.write(async (tx) => {
    tx.put(Job, { ...(await getJob(tx, input.JobId)), tags })
    return {}
  })
}

export const GetJobTagging: Operation<'GetJobTagging'> = async (ctx, input) => {
  accountOf(ctx, input)
  return { Tags: toTags((await ctx.read((tx) => getJob(tx, input.JobId))).tags) }
}

export const DeleteJobTagging: Operation<'DeleteJobTagging'> = async (ctx, input) => {
  accountOf(ctx, input)
  return ctx.write(async (tx) => {
    tx.put(Job, { ...(await getJob(tx, input.JobId)), tags: [] })
    return {}
  })
}
