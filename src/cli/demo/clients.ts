import { AccessAnalyzerClient } from '@aws-sdk/client-accessanalyzer'
import { CloudTrailClient } from '@aws-sdk/client-cloudtrail'
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import { CodeBuildClient } from '@aws-sdk/client-codebuild'
import { CodeCommitClient } from '@aws-sdk/client-codecommit'
import { CodeDeployClient } from '@aws-sdk/client-codedeploy'
import { CodePipelineClient } from '@aws-sdk/client-codepipeline'
import { EC2Client } from '@aws-sdk/client-ec2'
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { IAMClient } from '@aws-sdk/client-iam'
import { S3Client } from '@aws-sdk/client-s3'

/** Unmodified SDK clients, told of the endpoint the way any program would be. */
export const clientsOf = (endpoint: string) => {
  const options = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
  return {
    accessanalyzer: new AccessAnalyzerClient(options),
    cloudtrail: new CloudTrailClient(options),
    codebuild: new CodeBuildClient(options),
    codecommit: new CodeCommitClient(options),
    codedeploy: new CodeDeployClient(options),
    codepipeline: new CodePipelineClient(options),
    ec2: new EC2Client(options),
    events: new EventBridgeClient(options),
    iam: new IAMClient(options),
    logs: new CloudWatchLogsClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
  }
}
export type Clients = ReturnType<typeof clientsOf>
