/** What a deployment asks of this host, as GetDeploymentSpecification gives it. */
export type Specification = {
  readonly DeploymentId: string
  readonly DeploymentGroupId: string
  readonly DeploymentGroupName: string
  readonly ApplicationName: string
  readonly DeploymentCreator: string
  readonly DeploymentType: 'IN_PLACE' | 'BLUE_GREEN'
  readonly Revision: {
    readonly RevisionType: 'S3'
    readonly S3Revision: {
      readonly Bucket: string
      readonly Key: string
      readonly BundleType: string
      readonly Version?: string
      readonly ETag?: string
    }
  }
  readonly AgentActionOverrides: {
    readonly AgentOverrides: { readonly FileExistsBehavior: 'DISALLOW' | 'OVERWRITE' | 'RETAIN' }
  }
}
