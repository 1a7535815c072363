import { CloudTrailClient } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch'
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import { CodeBuildClient } from '@aws-sdk/client-codebuild'
import { CodeCommitClient } from '@aws-sdk/client-codecommit'
import { CodeDeployClient } from '@aws-sdk/client-codedeploy'
import { CodePipelineClient } from '@aws-sdk/client-codepipeline'
import { EC2Client } from '@aws-sdk/client-ec2'
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { IAMClient } from '@aws-sdk/client-iam'
import { S3Client } from '@aws-sdk/client-s3'
import { SSMClient } from '@aws-sdk/client-ssm'
import type { Random } from '../fuzz/random.ts'

export type Clients = ReturnType<typeof clientsOf>

/** Fresh clients: connections do not outlive the server they were made to. No retries, so that one call is one call. */
export const clientsOf = (endpoint: string) => {
  const options = {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
  return {
    cloudtrail: new CloudTrailClient(options),
    cloudwatch: new CloudWatchClient(options),
    codebuild: new CodeBuildClient(options),
    codecommit: new CodeCommitClient(options),
    codedeploy: new CodeDeployClient(options),
    codepipeline: new CodePipelineClient(options),
    ec2: new EC2Client(options),
    events: new EventBridgeClient(options),
    iam: new IAMClient(options),
    logs: new CloudWatchLogsClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
    ssm: new SSMClient(options),
  }
}

export type World = {
  readonly aws: Clients
  readonly endpoint: string
  readonly random: Random
  /** A number nobody else gets. */
  readonly next: () => number
  /** A folder of the journey's own, for clones. */
  readonly folder: string
  /** The server has not been killed yet. */
  readonly alive: () => boolean
}

/** What one traveller does, over and over, and how to tell that nothing it was promised is lost. */
export type Actor = {
  readonly name: string
  /** Once, before the first round. */
  setUp?(world: World): Promise<void>
  /** One act. What was acknowledged goes into the actor's own book; so does what may or may not have happened. */
  act(world: World): Promise<void>
  /** Complaints about what is not as it was acknowledged; with `everything`, of all that ever was, else of what is recent. */
  check(world: World, everything: boolean): Promise<string[]>
  /** Ends what it has running outside the server. */
  tearDown?(): void
}

/** The server went away under this call: nobody knows whether it happened. */
export const isBroken = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const { code, $metadata } = error as { code?: string; $metadata?: { httpStatusCode?: number } }
  if ($metadata?.httpStatusCode !== undefined) return false
  return /ECONN|EPIPE|socket hang up|UND_ERR|aborted/i.test(`${code} ${error.name} ${error.message}`)
}

/** Runs a call; `false` when the server went away under it. Any answer that is an error is thrown. */
export const certain = async <T>(call: Promise<T>): Promise<{ value: T } | undefined> => {
  try {
    return { value: await call }
  } catch (error) {
    if (isBroken(error)) return undefined
    throw error
  }
}

/** What may be true of each of many things; one value once it is acknowledged. */
export const ledger = <T>() => {
  const possible = new Map<string, T[]>()
  let recent: string[] = []
  return {
    /** The call was sent: from now on both may be true. */
    maybe: (name: string, value: T, before: T) => {
      possible.set(name, [...(possible.get(name) ?? [before]), value])
      recent.push(name)
    },
    /** The call was acknowledged: this is true. */
    surely: (name: string, value: T) => possible.set(name, [value]),
    /** Those to be looked at now. */
    due: (everything: boolean): [string, readonly T[]][] => {
      const names = everything ? [...possible.keys()] : [...new Set(recent.slice(-20))]
      recent = recent.slice(-20)
      return names.map((name) => [name, possible.get(name) ?? []])
    },
    names: () => [...possible.keys()],
    values: (name: string): readonly T[] => possible.get(name) ?? [],
  }
}
