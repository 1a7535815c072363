import { Bucket, bucketOf } from './bucket.ts'
import { fail, type Input, type Operation } from './operation.ts'

// Where a bucket's events go ("Amazon S3 Event Notifications", S3 user guide): to EventBridge, all of them, and to what is
// configured by event and key.

type Document = Input<'PutBucketNotificationConfiguration'>['NotificationConfiguration']

/** Everything there is an event for. */
const events = new Set([
  's3:ReducedRedundancyLostObject',
  ...['*', 'Put', 'Post', 'Copy', 'CompleteMultipartUpload'].map((name) => `s3:ObjectCreated:${name}`),
  ...['*', 'Delete', 'DeleteMarkerCreated'].map((name) => `s3:ObjectRemoved:${name}`),
  ...['*', 'Post', 'Completed', 'Delete'].map((name) => `s3:ObjectRestore:${name}`),
  's3:Replication:*',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationNotTracked',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
  's3:ObjectAcl:Put',
  ...['*', 'Delete', 'DeleteMarkerCreated'].map((name) => `s3:LifecycleExpiration:${name}`),
  ...['*', 'Put', 'Delete'].map((name) => `s3:ObjectTagging:${name}`),
])

type Entry = {
  readonly arn: string | undefined
  readonly events: readonly string[] | undefined
  readonly filter: NonNullable<Document['QueueConfigurations']>[number]['Filter']
}

/** A kind of destination; the service behind it adds how to send there, and with that its configurations become possible. */
const destinationKinds = [
  {
    entries: ({ TopicConfigurations: list = [] }: Document): Entry[] =>
      list.map(({ TopicArn, Events, Filter }) => ({ arn: TopicArn, events: Events, filter: Filter })),
    arn: /^arn:aws:sns:/,
    missing: 'The destination topic does not exist',
  },
  {
    entries: ({ QueueConfigurations: list = [] }: Document): Entry[] =>
      list.map(({ QueueArn, Events, Filter }) => ({ arn: QueueArn, events: Events, filter: Filter })),
    arn: /^arn:aws:sqs:/,
    missing: 'The destination queue does not exist',
  },
  {
    entries: ({ LambdaFunctionConfigurations: list = [] }: Document): Entry[] =>
      list.map(({ LambdaFunctionArn, Events, Filter }) => ({ arn: LambdaFunctionArn, events: Events, filter: Filter })),
    arn: /^arn:aws:lambda:/,
    missing: 'The destination Lambda function does not exist',
  },
]

const checkEntry = ({ arn = '', events: names = [], filter }: Entry, pattern: RegExp): void => {
  if (!pattern.test(arn))
    throw fail('InvalidArgument', 'The ARN is not well formed', { ArgumentName: 'ARN', ArgumentValue: arn })
  for (const name of names)
    if (!events.has(name))
      throw fail('InvalidArgument', `The event '${name}' is not supported for notifications`, {
        ArgumentName: 'Event',
        ArgumentValue: name,
      })
  const seen = new Set<string>()
  for (const { Name = '' } of filter?.Key?.FilterRules ?? []) {
    const lower = Name.toLowerCase()
    if (lower !== 'prefix' && lower !== 'suffix')
      throw fail('InvalidArgument', 'filter rule name must be either prefix or suffix', {
        ArgumentName: 'FilterRule.Name',
        ArgumentValue: Name,
      })
    if (seen.has(lower))
      throw fail('InvalidArgument', `Cannot specify more than one ${lower} rule in a filter.`, {
        ArgumentName: 'FilterRule.Name',
        ArgumentValue: Name,
      })
    seen.add(lower)
  }
}

export const PutBucketNotificationConfiguration: Operation<'PutBucketNotificationConfiguration'> = (ctx, input) => {
  const document = input.NotificationConfiguration
  for (const { entries, arn, missing } of destinationKinds)
    for (const entry of entries(document)) {
      checkEntry(entry, arn)
      throw fail('InvalidArgument', 'Unable to validate the following destination configurations', {
        ArgumentName1: entry.arn,
        ArgumentValue1: missing,
      })
    }
  return ctx.write(async (tx) => {
    const { eventBridge: _, ...bucket } = await bucketOf(ctx, tx, input)
    tx.put(Bucket, document.EventBridgeConfiguration ? { ...bucket, eventBridge: true } : bucket)
    return {}
  })
}

export const GetBucketNotificationConfiguration: Operation<'GetBucketNotificationConfiguration'> = async (
  ctx,
  input,
) => {
  const { eventBridge } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return eventBridge ? { EventBridgeConfiguration: {} } : {}
}
