import type { ActionDeclaration } from '../operation.ts'
import type { ActionKind } from './action.ts'
import { manualApproval } from './approval.ts'
import { codebuildBuild, codebuildTest } from './codebuild.ts'
import { codecommitSource } from './codecommit-source.ts'
import { codedeployDeploy } from './codedeploy.ts'
import { commandsAction } from './commands.ts'
import { connectionSource } from './connection-source.ts'
import { ec2Deploy } from './ec2-deploy.ts'
import { jobWorker } from './job-worker.ts'
import { pipelineInvoke } from './pipeline-invoke.ts'
import { s3Deploy } from './s3-deploy.ts'
import { s3Source } from './s3-source.ts'

/** Every kind of action that works here, all of owner AWS and version 1. */
export const actionKinds: readonly ActionKind[] = [
  codecommitSource,
  s3Source,
  connectionSource,
  codebuildBuild,
  codebuildTest,
  codedeployDeploy,
  s3Deploy,
  ec2Deploy,
  manualApproval,
  commandsAction,
  pipelineInvoke,
]

/** What carries out actions of this type: those of other owners than AWS, whatever worker there is. */
export const kindOf = (id: ActionDeclaration['actionTypeId']): ActionKind | undefined => {
  const { category, owner, provider, version } = id
  if (owner !== 'AWS') return jobWorker(id)
  return version === '1'
    ? actionKinds.find((kind) => kind.category === category && kind.provider === provider)
    : undefined
}
