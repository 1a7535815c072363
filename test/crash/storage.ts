import { createHash } from 'node:crypto'
import { GetMetricStatisticsCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch'
import {
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  GetLogEventsCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteUserCommand,
  GetUserCommand,
  GetUserPolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectAnnotationCommand,
  DeleteObjectCommand,
  GetObjectAnnotationCommand,
  GetObjectCommand,
  PutObjectAnnotationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { type Actor, certain, ledger, type World } from './world.ts'

// Things that are stored: objects, log lines, data points, identities.

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const Bucket = 'crash'

/** Bytes that a number makes: small ones ride in rows, large ones in files. */
const bytesOf = (number: number, size: number): Uint8Array => {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(Math.imul(number + at, 0x9e3779b1) >>> 0, at)
  return bytes
}

export const objects = (): Actor => {
  const book = ledger<string>()
  const put = async ({ aws, random, next }: World, Key: string) => {
    const last = bytesOf(next(), random.chance(0.5) ? random.below(2_000) : 20_000 + random.below(400_000))
    const pieces = random.chance(0.1) ? [bytesOf(next(), 5 * 1024 ** 2), last] : [last]
    const Body = Buffer.concat(pieces)
    book.maybe(Key, sha(Body), 'absent')
    // Under S3's own key, a KMS key, or a bucket key, whose row is younger than the objects that need it.
    const mode = random.chance(0.5)
      ? {}
      : { ServerSideEncryption: 'aws:kms' as const, BucketKeyEnabled: random.chance(0.5) }
    if (random.chance(0.3)) {
      const upload = await certain(aws.s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...mode })))
      if (!upload) return
      const place = { Bucket, Key, UploadId: upload.value.UploadId }
      const Parts: { PartNumber: number; ETag: string | undefined }[] = []
      for (const bytes of pieces) {
        const PartNumber = Parts.length + 1
        const part = await certain(aws.s3.send(new UploadPartCommand({ ...place, PartNumber, Body: bytes })))
        if (!part) return
        Parts.push({ PartNumber, ETag: part.value.ETag })
      }
      // What is given up leaves nothing, and is looked for with all other bytes that belong to nobody.
      if (random.chance(0.2)) await certain(aws.s3.send(new AbortMultipartUploadCommand(place)))
      else if (await certain(aws.s3.send(new CompleteMultipartUploadCommand({ ...place, MultipartUpload: { Parts } }))))
        book.surely(Key, sha(Body))
    } else if (await certain(aws.s3.send(new PutObjectCommand({ Bucket, Key, Body, ...mode }))))
      book.surely(Key, sha(Body))
  }
  return {
    name: 'objects',
    setUp: async ({ aws }) => {
      await aws.s3.send(new CreateBucketCommand({ Bucket }))
    },
    act: async (world) => {
      const { aws, random, next } = world
      const known = book.names()
      if (known.length === 0 || random.chance(0.6)) return put(world, `object-${next()}`)
      const Key = random.pick(known)
      if (random.chance(0.6)) return put(world, Key)
      book.maybe(Key, 'absent', 'absent')
      if (await certain(aws.s3.send(new DeleteObjectCommand({ Bucket, Key })))) book.surely(Key, 'absent')
    },
    check: async ({ aws }, everything) => {
      const wrong: string[] = []
      for (const [Key, possible] of book.due(everything)) {
        const found = await aws.s3.send(new GetObjectCommand({ Bucket, Key })).then(
          async ({ Body }) => sha((await Body?.transformToByteArray()) ?? new Uint8Array()),
          (error: Error) => (error.name === 'NoSuchKey' ? 'absent' : Promise.reject(error)),
        )
        if (!possible.includes(found)) wrong.push(`object ${Key} is ${found}, not ${possible.join(' or ')}`)
        else book.surely(Key, found)
      }
      return wrong
    },
  }
}

export const annotations = (): Actor => {
  const book = ledger<string>()
  const place = { Bucket: 'crash-notes', Key: 'object' }
  return {
    name: 'annotations',
    setUp: async ({ aws }) => {
      await aws.s3.send(new CreateBucketCommand({ Bucket: place.Bucket }))
      await aws.s3.send(new PutObjectCommand({ ...place, Body: 'x' }))
    },
    act: async ({ aws, random, next }) => {
      const known = book.names()
      const AnnotationName = known.length === 0 || random.chance(0.5) ? `note-${next()}` : random.pick(known)
      if (book.values(AnnotationName).length > 0 && random.chance(0.3)) {
        book.maybe(AnnotationName, 'absent', 'absent')
        if (await certain(aws.s3.send(new DeleteObjectAnnotationCommand({ ...place, AnnotationName }))))
          book.surely(AnnotationName, 'absent')
        return
      }
      const bytes = bytesOf(next(), random.chance(0.5) ? 100 : 20_000)
      const AnnotationPayload = Buffer.from(bytes).toString('base64')
      const sum = sha(Buffer.from(AnnotationPayload))
      book.maybe(AnnotationName, sum, 'absent')
      if (await certain(aws.s3.send(new PutObjectAnnotationCommand({ ...place, AnnotationName, AnnotationPayload }))))
        book.surely(AnnotationName, sum)
    },
    check: async ({ aws }, everything) => {
      const wrong: string[] = []
      for (const [AnnotationName, possible] of book.due(everything)) {
        const found = await aws.s3.send(new GetObjectAnnotationCommand({ ...place, AnnotationName })).then(
          async ({ AnnotationPayload }) => sha((await AnnotationPayload?.transformToByteArray()) ?? new Uint8Array()),
          (error: Error) => (error.name === 'NoSuchAnnotation' ? 'absent' : Promise.reject(error)),
        )
        if (!possible.includes(found))
          wrong.push(`annotation ${AnnotationName} is ${found}, not ${possible.join(' or ')}`)
        else book.surely(AnnotationName, found)
      }
      return wrong
    },
  }
}

export const logLines = (): Actor => {
  const place = { logGroupName: 'crash', logStreamName: 'lines' }
  const said = new Set<string>()
  return {
    name: 'log lines',
    setUp: async ({ aws }) => {
      await aws.logs.send(new CreateLogGroupCommand({ logGroupName: place.logGroupName }))
      await aws.logs.send(new CreateLogStreamCommand(place))
    },
    act: async ({ aws, random, next }) => {
      const lines = Array.from({ length: 1 + random.below(5) }, () => `line ${next()}`)
      const logEvents = lines.map((message) => ({ timestamp: Date.now(), message }))
      if (await certain(aws.logs.send(new PutLogEventsCommand({ ...place, logEvents }))))
        for (const line of lines) said.add(line)
    },
    check: async ({ aws }) => {
      const found: string[] = []
      let nextToken: string | undefined
      for (;;) {
        const page = await aws.logs.send(new GetLogEventsCommand({ ...place, startFromHead: true, nextToken }))
        found.push(...(page.events ?? []).map(({ message = '' }) => message))
        if (!page.events?.length || page.nextForwardToken === nextToken) break
        nextToken = page.nextForwardToken
      }
      const doubled = found.length - new Set(found).size
      return [
        ...[...said].filter((line) => !found.includes(line)).map((line) => `log event '${line}' is lost`),
        ...(doubled > 0 ? [`${doubled} log events are there twice`] : []),
      ]
    },
  }
}

export const dataPoints = (): Actor => {
  const sent = new Map<string, number>()
  return {
    name: 'data points',
    act: async ({ aws, next }) => {
      const MetricName = `metric-${next()}`
      const Value = next()
      const MetricData = [{ MetricName, Value, Timestamp: new Date() }]
      if (await certain(aws.cloudwatch.send(new PutMetricDataCommand({ Namespace: 'Crash', MetricData }))))
        sent.set(MetricName, Value)
    },
    check: async ({ aws }, everything) => {
      const wrong: string[] = []
      for (const [MetricName, value] of everything ? sent : [...sent].slice(-3)) {
        const { Datapoints = [] } = await aws.cloudwatch.send(
          new GetMetricStatisticsCommand({
            Namespace: 'Crash',
            MetricName,
            StartTime: new Date(Date.now() - 3_600_000),
            EndTime: new Date(Date.now() + 60_000),
            Period: 3600,
            Statistics: ['Sum', 'SampleCount'],
          }),
        )
        const sum = Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0)
        if (sum !== value) wrong.push(`metric ${MetricName} sums to ${sum}, not ${value}`)
      }
      return wrong
    },
  }
}

export const identities = (): Actor => {
  const users = ledger<'there' | 'absent'>()
  const policies = new Map<string, string>()
  const keys = new Map<string, { accessKeyId: string; secretAccessKey: string }>()
  return {
    name: 'identities',
    act: async ({ aws, random, next }) => {
      const known = users.names().filter((name) => users.values(name).length === 1 && users.values(name)[0] === 'there')
      if (known.length > 0 && random.chance(0.2)) {
        const UserName = random.pick(
          known.filter((name) => !policies.has(name) && !keys.has(name)).concat([known[0] ?? '']),
        )
        if (policies.has(UserName) || keys.has(UserName)) return
        users.maybe(UserName, 'absent', 'there')
        if (await certain(aws.iam.send(new DeleteUserCommand({ UserName })))) users.surely(UserName, 'absent')
        return
      }
      const UserName = `user-${next()}`
      users.maybe(UserName, 'there', 'absent')
      if (!(await certain(aws.iam.send(new CreateUserCommand({ UserName }))))) return
      users.surely(UserName, 'there')
      if (random.chance(0.5)) {
        const PolicyDocument = JSON.stringify({
          Version: '2012-10-17',
          Statement: { Effect: 'Allow', Action: `s3:Get${next()}`, Resource: '*' },
        })
        // Whether it took effect or not, the user can no longer be deleted as if it had nothing.
        policies.set(UserName, '')
        if (await certain(aws.iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'own', PolicyDocument }))))
          policies.set(UserName, PolicyDocument)
      } else if (random() < 0.5) {
        keys.set(UserName, { accessKeyId: '', secretAccessKey: '' })
        const made = await certain(aws.iam.send(new CreateAccessKeyCommand({ UserName })))
        const { AccessKeyId = '', SecretAccessKey = '' } = made?.value.AccessKey ?? {}
        keys.set(UserName, { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey })
      }
    },
    check: async ({ aws, endpoint }, everything) => {
      const wrong: string[] = []
      for (const [UserName, possible] of users.due(everything)) {
        const found = await aws.iam.send(new GetUserCommand({ UserName })).then(
          () => 'there' as const,
          (error: Error) => (error.name === 'NoSuchEntityException' ? ('absent' as const) : Promise.reject(error)),
        )
        if (!possible.includes(found)) wrong.push(`user ${UserName} is ${found}, not ${possible.join(' or ')}`)
        else users.surely(UserName, found)
      }
      for (const [UserName, document] of everything ? policies : [...policies].slice(-2)) {
        if (document === '') continue
        const { PolicyDocument = '' } = await aws.iam.send(new GetUserPolicyCommand({ UserName, PolicyName: 'own' }))
        if (decodeURIComponent(PolicyDocument) !== document)
          wrong.push(`the policy of ${UserName} is ${PolicyDocument}`)
      }
      for (const [UserName, credentials] of everything ? keys : [...keys].slice(-1)) {
        if (credentials.accessKeyId === '') continue
        const sts = new STSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 })
        const { Arn } = await sts.send(new GetCallerIdentityCommand({}))
        sts.destroy()
        if (!Arn?.endsWith(`/${UserName}`)) wrong.push(`the access key of ${UserName} is ${Arn}'s`)
      }
      return wrong
    },
  }
}
