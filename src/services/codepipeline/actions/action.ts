import type { Caller, Ctx } from '../../../kernel/context.ts'
import type { Task } from '../operation.ts'
import type { ConditionKind } from '../stage.ts'

/** An artifact in one of the pipeline's artifact buckets. */
export type Artifact = {
  readonly name: string
  readonly bucket: string
  readonly key: string
  /** The key of AWS KMS that it is, or is to be, encrypted under. */
  readonly kmsKey?: string
  /** Where it has to be copied from first: it lies in another Region. */
  readonly from?: { readonly bucket: string; readonly key: string }
  /** It stands for a commit that CodeBuild clones by itself. */
  readonly clone?: {
    readonly url: string
    readonly commit: string
    /** Of a repository elsewhere: what it is, and by which connection it is reached. CodeCommit's otherwise. */
    readonly type?: 'BITBUCKET' | 'GITHUB' | 'GITHUB_ENTERPRISE' | 'GITLAB' | 'GITLAB_SELF_MANAGED'
    readonly connection?: string
  }
}

/** How S3 is told to encrypt an artifact: under the store's key, or its account's `alias/aws/s3` where the store has none. */
export const encryptionOf = ({ kmsKey }: Pick<Artifact, 'kmsKey'>) => ({
  ServerSideEncryption: 'aws:kms' as const,
  ...(kmsKey === undefined ? {} : { SSEKMSKeyId: kmsKey }),
})

export const copySource = ({ bucket, key }: Pick<Artifact, 'bucket' | 'key'>): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

/** What a source action found: which revision of the source the execution works with. */
export type Revision = {
  readonly id: string
  readonly summary?: string
  readonly url?: string
  readonly changeId?: string
  /** ISO 8601. */
  readonly created?: string
}

/** An override of StartPipelineExecution for this source action. */
export type RevisionOverride = {
  readonly type: string
  readonly value: string
  /** What a trigger tells of it beyond the commit: variables of the action, `BranchName` among them. */
  readonly variables?: Readonly<Record<string, string>>
}

/** The job of one action execution, as its provider sees it. */
export type Job = {
  readonly ctx: Ctx
  /** The action execution's id: a UUID, the same over repeated steps, so that a provider can be asked idempotently. */
  readonly id: string
  readonly pipeline: string
  readonly stage: string
  readonly execution: string
  /** As its author wrote it. */
  readonly task: Task
  /** Milliseconds since the epoch. */
  readonly started: number
  readonly configuration: Readonly<Record<string, string>>
  readonly inputs: readonly Artifact[]
  readonly outputs: readonly Artifact[]
  /** The pipeline's role, or the action's role assumed by it. `session` names the session as it shows in ARNs. */
  readonly role: (session?: string) => Promise<Caller>
  /** Revisions that the execution was started with, one of each type. */
  readonly overrides: readonly RevisionOverride[]
  /** Of a rule: when its condition is looked at. */
  readonly condition?: ConditionKind
  readonly external?: External
}

/** The provider's own run: a build, a deployment. */
export type External = {
  readonly id?: string
  readonly url?: string
  readonly summary?: string
  /** ARN of the log stream of what ran. */
  readonly log?: string
}

/** A job that waits for a worker, or that one works on. */
export type WorkerJob = {
  readonly id: string
  /** `Owner/Category/Provider/Version`. */
  readonly type: string
  readonly status: 'Dispatched' | 'InProgress' | 'Queued'
  /** Changes with every dispatch, so that one worker only takes the job on. */
  readonly nonce?: string
  /** When it was handed out; milliseconds since the epoch. */
  readonly dispatched?: number
  /** What the worker wants to be told of the run that it continues. */
  readonly continuation?: string
  /** Of a third party's job: what its worker must know. */
  readonly client?: string
}

export type Progress =
  | {
      readonly state: 'running'
      readonly external?: External
      readonly percent?: number
      /** Of an approval. */
      readonly token?: string
      /** For a worker to fetch. */
      readonly job?: WorkerJob
    }
  | {
      readonly state: 'succeeded'
      readonly external?: External
      readonly variables?: Readonly<Record<string, string>>
      readonly revision?: Revision
      /** What the output artifact stands for. */
      readonly clone?: Artifact['clone']
    }
  | {
      readonly state: 'failed'
      readonly external?: External
      /** As in `errorDetails`: `JobFailed`, `PermissionError`, `ConfigurationError` … */
      readonly code: string
      readonly message: string
    }

export type Property = { readonly name: string; readonly required: boolean; readonly description: string }

/** One kind of action or rule: what a pipeline may declare of it, and how it is carried out. */
export type TaskKind = {
  readonly provider: string
  readonly properties: readonly Property[]
  readonly inputs: readonly [min: number, max: number]
  readonly outputs: readonly [min: number, max: number]
  /** How long it may take unless the declaration says otherwise. */
  readonly timeoutMinutes: number
  /** The declaration may say how long it may take. */
  readonly timeoutSettable?: boolean
  /** Pipelines of type V1 do not have it. */
  readonly onlyV2?: boolean
  /** It works in the pipeline's Region only. */
  readonly atHome?: boolean
  /** The declaration has commands, and may have variables and files of theirs. */
  readonly takesCommands?: boolean
  /** An input may stand for a commit that it clones by itself. */
  readonly takesClones?: boolean
  /** What is wrong with a declaration beyond missing and unknown keys, or not done here: a sentence for its author. */
  readonly check?: (task: Task) => string | undefined
  /** Begins the work. Called again after a crash, so asking the provider twice must do it once. Throws what the provider answers. */
  readonly start: (job: Job) => Promise<Progress>
  /** Looks how far it is; `undefined` for what `start` always ends, or what only an answer from outside ends. */
  readonly poll?: (job: Job) => Promise<Progress>
  /** When to look again, in milliseconds: for what no event tells of. */
  readonly pause?: (job: Pick<Job, 'ctx' | 'configuration'>) => number
  readonly urls?: { readonly entity?: (ctx: Ctx, configuration: Readonly<Record<string, string>>) => string }
}

export type ActionKind = TaskKind & {
  readonly category: 'Source' | 'Build' | 'Test' | 'Deploy' | 'Invoke' | 'Approval' | 'Compute'
}

/** A failure of an action, thrown where that reads better than returning it. */
export class ActionFailure extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'ActionFailure'
    this.code = code
  }
}

export const isTrue = (text: string | undefined): boolean => /^true$/i.test(text ?? '')

/** What is wrong with properties that are `true` or `false` where they are there. */
export const checkBooleans = (
  configuration: Readonly<Record<string, string>>,
  ...names: readonly string[]
): string | undefined => {
  const odd = names.find((name) => !/^(true|false|.*#\{.*)$/is.test(configuration[name] ?? 'false'))
  return odd === undefined ? undefined : `${odd} must be true or false`
}

/** Goes with a source artifact, so that a build of it can say what it builds (`CODEBUILD_RESOLVED_SOURCE_VERSION`). */
export const revisionMetadata = (revision: string): Record<string, string> => ({
  'codepipeline-artifact-revision': revision,
})
