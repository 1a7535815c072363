export type S3Revision = {
  readonly Bucket: string
  readonly Key: string
  readonly BundleType: string
  readonly Version?: string
  readonly ETag?: string
}
export type GitHubRevision = { readonly Account: string; readonly Repository: string; readonly CommitId: string }

/** What a deployment asks of this host, as GetDeploymentSpecification gives it. */
export type Specification = {
  readonly DeploymentId: string
  readonly DeploymentGroupId: string
  readonly DeploymentGroupName: string
  readonly ApplicationName: string
  readonly DeploymentCreator: string
  readonly DeploymentType: 'IN_PLACE' | 'BLUE_GREEN'
  readonly Revision:
    | { readonly RevisionType: 'S3'; readonly S3Revision: S3Revision }
    | { readonly RevisionType: 'GitHub'; readonly GitHubRevision: GitHubRevision }
  readonly AgentActionOverrides: {
    readonly AgentOverrides: { readonly FileExistsBehavior: 'DISALLOW' | 'OVERWRITE' | 'RETAIN' }
  }
}
