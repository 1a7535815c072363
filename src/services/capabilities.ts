// What services need of each other that is no AWS API, in one place: an interface and its token each.

import type { Readable } from 'node:stream'
import type { Attachment, Terminal, TerminalSize } from '../compute/driver.ts'
import { capability } from '../kernel/capability.ts'
import type { Principal } from '../kernel/principal.ts'
import type { PolicyDocument } from '../policy/policy.ts'
import type { ProviderAccess } from '../remotes/provider.ts'
import type { Place } from '../store/store.ts'

/** CodeCommit's object databases. Callers have authorized themselves (`codecommit:GitPull`, `codecommit:UploadArchive`). */
export interface RepositoryObjects {
  /** Commit a branch, tag or commit id stands for; `undefined` when there is none. */
  resolve(
    place: Place,
    repository: string,
    revision: string,
  ): Promise<{ commitId: string; message: string; authorDate: string } | undefined>
  /** The tree of a commit as a zip archive, executable bits and symbolic links kept. */
  archive(place: Place, repository: string, commitId: string): Promise<Readable>
  /** Makes a full clone with a work tree at `commitId` in `folder` (which is empty or absent), its `origin` being `originUrl`. */
  checkout(
    place: Place,
    repository: string,
    commitId: string,
    folder: string,
    options?: { depth?: number; originUrl?: string },
  ): Promise<void>
}
export const repositoryObjects = capability<RepositoryObjects>('codecommit.objects')

/** Instances as CodeDeploy and others see them. */
export interface Instances {
  /** Running instances all of whose tag groups match: each group is satisfied when one of its filters is. */
  byTags(
    place: Place,
    groups: readonly (readonly { key?: string; value?: string; type: 'KEY_ONLY' | 'VALUE_ONLY' | 'KEY_AND_VALUE' }[])[],
  ): Promise<string[]>
  describe(
    place: Place,
    instanceId: string,
  ): Promise<{ instanceId: string; state: string; instanceProfileArn?: string } | undefined>
  /** Whose instance a task id (as doors give it) is. */
  ofTask(task: string): Promise<{ place: Place; instanceId: string; accountId: string } | undefined>
}
export const instances = capability<Instances>('ec2.instances')

/** An instance as Systems Manager sees it. */
export interface MachineFacts {
  readonly instanceId: string
  readonly running: boolean
  readonly tags: Readonly<Record<string, string>>
  readonly privateIp: string
  readonly hostname: string
  /** Of the profile it has. */
  readonly roleArn?: string
  /** Epoch milliseconds; of its last start. */
  readonly launched: number
}
/** EC2's machines from within, for Systems Manager. Callers have authorized themselves. */
export interface Machines {
  /** All that run. */
  list(place: Place): Promise<MachineFacts[]>
  find(place: Place, instanceId: string): Promise<MachineFacts | undefined>
  /** The session of the role in its profile, as its programs have it; `undefined` without one. Throws what STS would. */
  principal(place: Place, instanceId: string): Promise<Principal | undefined>
  /** Runs a program inside, as root, and waits for its end; `undefined` where the machine does not run. */
  exec(
    place: Place,
    instanceId: string,
    command: readonly string[],
    input?: Uint8Array,
  ): Promise<{ readonly code: number; readonly output: Uint8Array } | undefined>
  /** The same with a terminal, for as long as it goes on. Throws ComputeError where none can be had. */
  terminal(
    place: Place,
    instanceId: string,
    command: readonly string[],
    size: TerminalSize,
    env: Readonly<Record<string, string>>,
  ): Promise<Terminal | undefined>
}
export const machines = capability<Machines>('ec2.machines')

/** IAM's service-specific credentials for `codecommit.amazonaws.com`: the user name and password that git sends. */
export interface GitCredentials {
  /** The IAM user whose active credential this is; `undefined` when user name or password are wrong. Marks nothing, logs nothing. */
  verify(userName: string, password: string): Promise<Principal | undefined>
}
export const gitCredentials = capability<GitCredentials>('iam.gitCredentials')

/** IAM users' SSH public keys, by which git signs in to CodeCommit over SSH: the user name there is the key's id. */
export interface SshKeys {
  /** The user and his active key (as SSH sends it: RFC 4253, section 6.6); `undefined` when there is none. */
  find(keyId: string): Promise<{ readonly principal: Principal; readonly publicKey: Uint8Array } | undefined>
}
export const sshKeys = capability<SshKeys>('iam.sshKeys')

/** Whether those whom ARNs in old records name are still there. */
export interface KnownIdentities {
  /** Of these ARNs (of users, roles and role sessions) those whose user or role was deleted. Others are not looked at. */
  deleted(arns: readonly string[]): Promise<ReadonlySet<string>>
}
export const knownIdentities = capability<KnownIdentities>('iam.knownIdentities')

/** Metrics that AWS's services publish by themselves, in `AWS/…` namespaces. Never fails the caller's work: losing one is no error. */
export interface VendedMetrics {
  put(
    place: Place,
    namespace: string,
    data: readonly {
      name: string
      dimensions: Readonly<Record<string, string>>
      value: number
      unit: string
      time: Date
    }[],
  ): Promise<void>
}
export const vendedMetrics = capability<VendedMetrics>('cloudwatch.vendedMetrics')

/** IAM's instance profiles, for services that launch machines: looking one up needs no right of the caller but `iam:PassRole`. */
export interface FoundProfile {
  readonly arn: string
  readonly id: string
  /** ARN of the role in it, when there is one. */
  readonly roleArn?: string
}
export interface InstanceProfiles {
  /** By ARN or by name. */
  find(place: Place, arnOrName: string): Promise<FoundProfile | undefined>
}
export const instanceProfiles = capability<InstanceProfiles>('iam.instanceProfiles')

/** A program that a service wants in every machine: CodeDeploy's agent. Started by the machine's init, kept running. */
export interface MachineAgent {
  readonly name: string
  readonly mounts: readonly { readonly source: string; readonly target: string }[]
  readonly env: Readonly<Record<string, string>>
  /** Program and arguments as seen inside. */
  readonly command: readonly string[]
}
export interface MachineAgents {
  agents(): readonly MachineAgent[]
}
export const machineAgents = capability<MachineAgents>('codedeploy.machineAgents')

/** Identities that policies name, whatever the caller may know of them. */
export interface Principals {
  /** Whether a policy of this place may name it: an ARN or a unique id. */
  exists(place: Place, name: string): Promise<boolean>
}
export const principals = capability<Principals>('iam.principals')

/**
 * Centralized root access of an organization's member accounts (IAM user guide, "Centrally manage root access"): which
 * of its features the organization of this account has enabled. Neither, where the account is in no organization.
 */
export interface RootAccess {
  enabled(account: string): Promise<{ readonly sessions: boolean; readonly credentialsManagement: boolean }>
}
export const rootAccess = capability<RootAccess>('iam.rootAccess')

/** An OpenID Connect provider that an account trusts. */
export interface OidcProvider {
  readonly arn: string
  /** The issuer without its scheme: the prefix of condition keys. */
  readonly name: string
  /** `https://token.example.com/tenant`; `http` only for an issuer on this machine. */
  readonly issuer: string
  readonly clientIds: readonly string[]
  /** SHA-1 of certificates in lower-case hexadecimal digits, for issuers whose authority is not publicly trusted. */
  readonly thumbprints: readonly string[]
}
/** A SAML 2.0 provider that an account trusts. */
export interface SamlProvider {
  readonly arn: string
  readonly name: string
  /** In sign-in URLs: `https://signin.aws.amazon.com/saml/acs/UUID`. */
  readonly uuid: string
  /** The `Issuer` of its assertions. */
  readonly entityId: string
  /** Certificates, as PEM, of the keys it signs with. */
  readonly certificates: readonly string[]
  /** Epoch milliseconds. */
  readonly validUntil: number
  /** Whether assertions must be encrypted, and the keys, as PEM, that decrypt them. */
  readonly encryptionRequired: boolean
  readonly privateKeys: readonly string[]
}
/** IAM's identity providers, for STS: whoever asks has no AWS credentials yet. */
export interface IdentityProviders {
  /** The account's provider with exactly this issuer (a token's `iss`). */
  oidc(account: string, issuer: string): Promise<OidcProvider | undefined>
  saml(account: string, arn: string): Promise<SamlProvider | undefined>
}
export const identityProviders = capability<IdentityProviders>('iam.identityProviders')

/** Outbound identity federation of an account: what STS signs the tokens with that speak for its users and roles. */
export interface OutboundFederation {
  /** `undefined` where the feature is not enabled. The private key is PEM. */
  signingKey(
    account: string,
    algorithm: 'RS256' | 'ES384',
  ): Promise<{ readonly issuer: string; readonly keyId: string; readonly privateKey: string } | undefined>
}
export const outboundFederation = capability<OutboundFederation>('iam.outboundFederation')

/** Keys that AWS makes for its services on first use (`alias/aws/s3`): KMS has them made, whoever is the first to need one. */
export interface AwsManagedKeys {
  /** ARN of the key of a service, by the name in its alias (`s3`), in this account and Region. */
  arnOf(place: Place, service: string): Promise<string>
}
export const awsManagedKeys = capability<AwsManagedKeys>('kms.awsManagedKeys')

/** A build that no project of anybody describes. */
export interface ManagedBuild {
  /** The same token again is the same build. */
  readonly token: string
  /** In whose name it is, where a build names its project. No project can have it: it holds a `.`. */
  readonly name: string
  readonly initiator: string
  /** Under whose rights it runs. */
  readonly principal: Principal
  readonly buildspec: string
  /** Archives in S3; the first is where commands begin. */
  readonly sources: readonly { readonly name: string; readonly bucket: string; readonly key: string }[]
  /** Where a zip archive of the buildspec's artifacts goes. */
  readonly artifact?: { readonly bucket: string; readonly key: string; readonly kmsKey?: string }
  readonly variables: readonly {
    readonly name: string
    readonly value: string
    readonly type: 'PLAINTEXT' | 'SECRETS_MANAGER'
  }[]
  readonly logGroup: string
  readonly timeoutMinutes: number
  readonly computeType: 'BUILD_GENERAL1_SMALL' | 'BUILD_GENERAL1_MEDIUM' | 'BUILD_GENERAL1_LARGE'
  readonly vpc?: { readonly vpcId: string; readonly subnets: string[]; readonly securityGroupIds: string[] }
  /** Whom to wake when it has ended; where, if not in the build's own place. */
  readonly wake: { readonly reconciler: string; readonly key: string; readonly at?: Place }
}
/** CodeBuild's machinery for other services' commands (CodePipeline's Commands): no lists, events or metrics have these builds. */
export interface ManagedBuilds {
  /** Starts one; returns its id. */
  start(place: Place, build: ManagedBuild): Promise<string>
  /** How far it is; `undefined` where there is none. */
  look(
    place: Place,
    id: string,
  ): Promise<
    | {
        /** `undefined` while it runs. */
        readonly status: 'FAILED' | 'FAULT' | 'STOPPED' | 'SUCCEEDED' | 'TIMED_OUT' | undefined
        /** What failed, in CodeBuild's words. */
        readonly failure?: string
        readonly exported: Readonly<Record<string, string>>
        readonly log?: { readonly group: string; readonly stream: string }
      }
    | undefined
  >
}
export const managedBuilds = capability<ManagedBuilds>('codebuild.managedBuilds')

/** Builds that may be debugged, and sandboxes: what of CodeBuild Session Manager's sessions open. Callers have authorized themselves. */
export interface BuildEnvironments {
  /** One that runs; `uuid` is the end of its id. */
  find(
    place: Place,
    uuid: string,
  ): Promise<{ readonly arn: string; readonly principal: () => Promise<Principal> } | undefined>
  /** A command with a terminal there, as root, in the environment of its commands. */
  terminal(
    place: Place,
    uuid: string,
    command: readonly string[],
    size: TerminalSize,
    env: Readonly<Record<string, string>>,
  ): Promise<Terminal | undefined>
}
export const buildEnvironments = capability<BuildEnvironments>('codebuild.environments')

/** Places in VPCs for tasks that are no instances. Callers have authorized themselves (`ec2:CreateNetworkInterface`). */
export interface VpcPlace {
  readonly networkInterfaceId: string
  readonly subnetId: string
  readonly attachment: Attachment
}
export interface VpcPlaces {
  /** A network interface of the owner's own in the first subnet that has room; the same when asked again. Throws EC2's errors. */
  take(
    place: Place,
    wanted: {
      owner: string
      description: string
      vpcId: string
      subnetIds: readonly string[]
      groupIds: readonly string[]
    },
  ): Promise<VpcPlace>
  /** Gives it back. */
  release(place: Place, owner: string): Promise<void>
}
export const vpcPlaces = capability<VpcPlaces>('ec2.vpcPlaces')

/** Public parameters of Systems Manager that name what this host has: images by the paths under which AWS publishes its own. */
export interface PublicImages {
  /** Image id by parameter name. */
  parameters(place: Place): Readonly<Record<string, string>>
}
export const publicImages = capability<PublicImages>('ec2.publicImages')

/** S3's public access block of an account, over all its buckets: S3 Control sets it, S3 goes by it. */
export interface AccountBlocks {
  find(account: string): Promise<AccountPublicAccessBlock | undefined>
  put(account: string, block: AccountPublicAccessBlock): Promise<void>
  delete(account: string): Promise<void>
}
export interface AccountPublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}
export const accountBlocks = capability<AccountBlocks>('s3.accountBlocks')

/** S3's access points: S3 Control makes them, S3 lets requests through them. */
export interface AccessPointFacts {
  readonly name: string
  readonly account: string
  readonly region: string
  readonly bucket: string
  readonly bucketAccount: string
  /** `NAME-…-s3alias`: stands in a bucket's place. */
  readonly alias: string
  /** Epoch milliseconds. */
  readonly created: number
  /** Only requests that come from this VPC. */
  readonly vpc?: string
  readonly publicAccessBlock: AccountPublicAccessBlock
  /** JSON text. */
  readonly policy?: string
  readonly tags?: readonly { readonly key: string; readonly value: string }[]
}
export interface AccessPoints {
  /** False where there is one of that name. */
  create(point: AccessPointFacts): Promise<boolean>
  find(account: string, region: string, name: string): Promise<AccessPointFacts | undefined>
  /** In the order of their names, those behind `after`. */
  list(account: string, region: string, after: string | undefined, limit: number): Promise<AccessPointFacts[]>
  /** Puts what `change` makes of it, or deletes it; false where there is none. */
  change(
    account: string,
    region: string,
    name: string,
    change: (point: AccessPointFacts) => AccessPointFacts | undefined,
  ): Promise<boolean>
  /** Whether it would be open to everyone under this policy. */
  isPublic(point: Pick<AccessPointFacts, 'vpc'>, document: PolicyDocument): boolean
  /** Its public access block together with its account's. */
  block(point: AccessPointFacts): Promise<AccountPublicAccessBlock>
}
export const accessPoints = capability<AccessPoints>('s3.accessPoints')

/** Buckets as S3 Control sees them. */
export interface Buckets {
  find(name: string): Promise<BucketFacts | undefined>
  /** Replaces its tags. */
  tag(name: string, tags: readonly { readonly key: string; readonly value: string }[]): Promise<void>
}
export interface BucketFacts {
  readonly account: string
  readonly region: string
  readonly tags: readonly { readonly key: string; readonly value: string }[]
}
export const buckets = capability<Buckets>('s3.buckets')

/** Connections to Git providers elsewhere. Callers have authorized themselves (`codestar-connections:UseConnection`). */
export interface Connections {
  /** `undefined` where there is no such connection. */
  find(place: Place, arn: string): Promise<ConnectionFacts | undefined>
  /** Whether a provider lives at this origin that its user has set up here, be it on this very host. */
  isOwn(place: Place, url: URL): Promise<boolean>
}
export interface ConnectionFacts {
  /** As AWS names it: `GitHub`, `GitLabSelfManaged` … */
  readonly providerType: string
  readonly tags: Readonly<Record<string, string>>
  /** What its provider is asked with; `undefined` until somebody has completed it. */
  readonly access?: ProviderAccess
}
export const connections = capability<Connections>('codestarconnections.connections')

/** A version of an object, as a manifest of S3 Batch Operations selects it. */
export interface BatchObject {
  readonly key: string
  /** Only where versions were ever kept. */
  readonly versionId?: string
  readonly size: number
  /** Epoch milliseconds. */
  readonly modified: number
  readonly storageClass: string
  readonly encryption: { readonly mode?: string; readonly kmsKey?: string; readonly bucketKey: boolean }
  readonly replication: 'COMPLETED' | 'FAILED' | 'PENDING' | 'REPLICA' | 'NONE'
  /** Some rule of its bucket says that it goes elsewhere. */
  readonly replicable: boolean
}

/** What S3 Batch Operations needs of S3 beyond its API. */
export interface BatchObjects {
  /** Objects of a bucket, of `every` version or the current ones; `after` goes on from page to page. */
  page(
    bucket: string,
    options: { every: boolean; after?: string | undefined; limit: number },
  ): Promise<{ objects: BatchObject[]; after?: string }>
  /** Sends a version that is there already to where its bucket's rules say. Throws S3's errors: nothing is sent by halves. */
  replicate(object: { bucket: string; key: string; versionId?: string | undefined }): Promise<void>
}
export const batchObjects = capability<BatchObjects>('s3.batchObjects')

/**
 * Where the files of tables are: S3 keeps those of each table apart, as objects that only rights to the table open. `as`: with
 * whose rights KMS is asked, where not the service's own.
 */
export interface TableStores {
  /** Makes an empty one. Throws where there is one of that name. */
  create(
    place: Place,
    store: { readonly name: string; readonly table: string; readonly kmsKey?: string },
  ): Promise<void>
  /** Deletes it with all that is in it. */
  remove(place: Place, name: string): Promise<void>
  /** Throws S3's errors. */
  put(place: Place, name: string, key: string, bytes: Uint8Array, as?: Principal): Promise<void>
  /** `undefined` where there is no such file. Throws S3's errors. */
  get(place: Place, name: string, key: string, as?: Principal): Promise<Uint8Array | undefined>
  has(place: Place, name: string, key: string): Promise<boolean>
  /** Files in the order of their keys, those behind `after`. */
  list(place: Place, name: string, after: string, limit: number): Promise<TableFile[]>
  delete(place: Place, name: string, keys: readonly string[]): Promise<void>
}
export interface TableFile {
  readonly key: string
  readonly size: number
  /** Epoch milliseconds. */
  readonly modified: number
}
export const tableStores = capability<TableStores>('s3.tableStores')

/** Tables as S3 sees them when somebody wants one's files. */
export interface TableGuard {
  readonly account: string
  readonly namespace: string
  readonly name: string
  /** Made by an AWS service: nobody else writes to it. */
  readonly readOnly: boolean
  readonly tags: Readonly<Record<string, string>>
  readonly bucketTags: Readonly<Record<string, string>>
  /** Its policy and its table bucket's, together. */
  readonly document?: PolicyDocument
}
export interface TableGuards {
  find(arn: string): Promise<TableGuard | undefined>
}
export const tableGuards = capability<TableGuards>('s3tables.tableGuards')

/** Tables that an AWS service fills and everybody else only reads: S3 Metadata's. */
export interface ManagedTables {
  /**
   * Makes a table under an id, once: where it is there under that id already, nothing happens. Without `bucket` it is in the
   * managed table bucket of the account and Region, which is made on first use; its namespace is made where it is not there.
   */
  make(place: Place, table: ManagedTable): Promise<ManagedTableMade>
  /**
   * Puts files of rows under tags in the place of all whose tags are from one (inclusive) to another (exclusive), as one
   * snapshot. What was done is done again without effect. False where there is no such table. Throws KMS's errors.
   */
  write(
    place: Place,
    arn: string,
    change: {
      readonly from: string
      readonly before: string
      readonly files: readonly { readonly tag: string; readonly newest: number; readonly rows: readonly ManagedRow[] }[]
    },
  ): Promise<boolean>
  /** Makes one of many small files that are beside each other in the order of tags; whether there were such. Throws KMS's errors. */
  merge(place: Place, arn: string): Promise<boolean>
  /** Takes files out all of whose rows are older than this time in epoch milliseconds. False where there is no such table. */
  expire(place: Place, arn: string, before: number): Promise<boolean>
}
export interface ManagedTable {
  /** A UUID. */
  readonly id: string
  /** ARN of a customer's table bucket. */
  readonly bucket?: string
  readonly namespace: string
  readonly name: string
  readonly columns: readonly {
    readonly name: string
    readonly type: 'string' | 'long' | 'boolean' | 'timestamp' | 'map'
    readonly required?: boolean
  }[]
  readonly kmsKey?: string
}
export type ManagedTableMade =
  | { readonly arn: string; readonly bucket: string }
  | { readonly error: 'TableBucketNotFound' | 'TableAlreadyExists' }
/** Values by column; times in epoch milliseconds. */
export type ManagedRow = Readonly<
  Record<string, string | number | boolean | Readonly<Record<string, string>> | null | undefined>
>
export const managedTables = capability<ManagedTables>('s3tables.managedTables')
