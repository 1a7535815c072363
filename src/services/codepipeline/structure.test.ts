import { describe, expect, it } from 'vitest'
import type { ActionDeclaration, Declaration, StageDeclaration } from './operation.ts'
import { bucketOf, checkStructure, groupsOf } from './structure.ts'

const source = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Checkout',
  actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
  configuration: { RepositoryName: 'app', BranchName: 'main' },
  outputArtifacts: [{ name: 'Code' }],
  ...change,
})
const build = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Compile',
  actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
  configuration: { ProjectName: 'app' },
  inputArtifacts: [{ name: 'Code' }],
  outputArtifacts: [{ name: 'Site' }],
  ...change,
})
const approval = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Approve',
  actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
  ...change,
})
const deploy = (configuration: Record<string, string>): ActionDeclaration => ({
  name: 'Publish',
  actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
  configuration,
  inputArtifacts: [{ name: 'Code' }],
})
const stages = (...actions: ActionDeclaration[][]): StageDeclaration[] =>
  actions.map((one, index) => ({ name: `Stage${index}`, actions: one }))
const pipeline = (change: Partial<Declaration> = {}): Declaration => ({
  name: 'release',
  roleArn: 'arn:aws:iam::000000000000:role/pipeline',
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: stages([source()], [build()]),
  ...change,
})
/** With a source by connection, and a trigger on it. */
const connected = (gitConfiguration: object, change: Partial<Declaration> = {}): Declaration =>
  pipeline({
    pipelineType: 'V2',
    stages: stages(
      [
        source({
          actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeStarSourceConnection', version: '1' },
          configuration: {
            ConnectionArn: `arn:aws:codestar-connections:eu-west-1:000000000000:connection/1`,
            FullRepositoryId: 'me/app',
            BranchName: 'main',
          },
        }),
      ],
      [build()],
    ),
    triggers: [{ providerType: 'CodeStarSourceConnection', gitConfiguration }] as unknown as Declaration['triggers'],
    ...change,
  })
const refused = (declaration: Declaration) => {
  try {
    checkStructure(declaration, 'eu-west-1')
  } catch (error) {
    return error
  }
  return undefined
}
const store = { type: 'S3', location: 'artifacts' } as const

describe('a pipeline that AWS takes', () => {
  it.each<[string, Declaration]>([
    ['two stages', pipeline()],
    [
      'artifactStores of its own Region',
      pipeline({ artifactStore: undefined, artifactStores: { 'eu-west-1': store } }),
    ],
    ['a trigger', connected({ sourceActionName: 'Checkout', push: [{ branches: { includes: ['main'] } }] })],
    ['QUEUED with type V2', pipeline({ pipelineType: 'V2', executionMode: 'QUEUED' })],
    [
      'an artifact made by an earlier group of the same stage',
      pipeline({
        stages: stages(
          [source()],
          [
            build({ runOrder: 2 }),
            build({ name: 'Test', runOrder: 5, inputArtifacts: [{ name: 'Site' }], outputArtifacts: [] }),
          ],
        ),
      }),
    ],
    [
      'variables of actions that come before, in V1 too',
      pipeline({
        stages: stages(
          [source({ namespace: 'Source' })],
          [approval({ configuration: { CustomData: '#{Source.CommitId} #{codepipeline.PipelineExecutionId}' } })],
        ),
      }),
    ],
    ['an approval with a timeout', pipeline({ stages: stages([source()], [approval({ timeoutInMinutes: 60 })]) })],
  ])('%s', (_what, declaration) => expect(refused(declaration)).toBeUndefined())
})

describe('a pipeline that is refused', () => {
  it.each<[string, string, Declaration]>([
    [
      'InvalidStructureException',
      'Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline',
      pipeline({ stages: stages([source()]) }),
    ],
    [
      'InvalidStructureException',
      'Pipeline should start with a stage that only contains source actions',
      pipeline({ stages: stages([source(), approval()], [build()]) }),
    ],
    [
      'InvalidStructureException',
      'Source actions are only allowed in the first stage: stage Stage1 contains one',
      pipeline({ stages: stages([source()], [source({ name: 'Other', outputArtifacts: [{ name: 'Other' }] })]) }),
    ],
    [
      'InvalidStructureException',
      'Stage names must be unique within a pipeline: Stage0 is used more than once',
      pipeline({ stages: [...stages([source()]), { name: 'Stage0', actions: [build()] }] }),
    ],
    [
      'InvalidStageDeclarationException',
      'Action names must be unique within a stage: Approve is used more than once in stage Stage1',
      pipeline({ stages: stages([source()], [approval(), approval()]) }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Checkout' is not valid: PollForSourceChanges must be true or false",
      pipeline({
        stages: stages(
          [source({ configuration: { RepositoryName: 'app', BranchName: 'main', PollForSourceChanges: 'sometimes' } })],
          [build()],
        ),
      }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Compile' is not valid: BatchEnabled must be true or false",
      pipeline({
        stages: stages([source()], [build({ configuration: { ProjectName: 'app', BatchEnabled: 'yes' } })]),
      }),
    ],
    [
      'InvalidStageDeclarationException',
      'Stage Stage1 must have at least one action',
      pipeline({ stages: stages([source()], []) }),
    ],
    [
      'InvalidStructureException',
      'Input Artifact Bundle Nothing in action Compile is not declared as Output Artifact Bundle in any of the preceding actions',
      pipeline({ stages: stages([source()], [build({ inputArtifacts: [{ name: 'Nothing' }] })]) }),
    ],
    [
      'InvalidStructureException',
      'Input Artifact Bundle Site in action Test is not declared as Output Artifact Bundle in any of the preceding actions',
      pipeline({
        stages: stages(
          [source()],
          [build(), build({ name: 'Test', inputArtifacts: [{ name: 'Site' }], outputArtifacts: [] })],
        ),
      }),
    ],
    [
      'InvalidStructureException',
      'Output Artifact Bundle name must be unique within the pipeline. Code has been used more than once.',
      pipeline({ stages: stages([source()], [build({ outputArtifacts: [{ name: 'Code' }] })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      'Action Compile declares 0 input artifacts which is less than the minimum count (1)',
      pipeline({ stages: stages([source()], [build({ inputArtifacts: [] })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      'Action Approve declares 1 input artifacts which is more than the maximum count (0)',
      pipeline({ stages: stages([source()], [approval({ inputArtifacts: [{ name: 'Code' }] })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      "ActionType (Category: 'Invoke', Provider: 'Lambda', Owner: 'AWS', Version: '1') in action 'Approve' is not available in region 'EU_WEST_1'",
      pipeline({
        stages: stages(
          [source()],
          [approval({ actionTypeId: { category: 'Invoke', owner: 'AWS', provider: 'Lambda', version: '1' } })],
        ),
      }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Compile' is missing required configuration 'ProjectName'",
      pipeline({ stages: stages([source()], [build({ configuration: {} })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Compile' contains unknown configuration 'Project'",
      pipeline({ stages: stages([source()], [build({ configuration: { ProjectName: 'a', Project: 'b' } })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Compile' is not valid: EnvironmentVariables is not valid JSON",
      pipeline({
        stages: stages([source()], [build({ configuration: { ProjectName: 'a', EnvironmentVariables: '[' } })]),
      }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Compile' is not valid: the output artifact My-Site of a batch build does not name a build: buildIdentifier or buildIdentifier_artifactIdentifier",
      pipeline({
        stages: stages(
          [source()],
          [
            build({
              configuration: { ProjectName: 'a', BatchEnabled: 'true' },
              outputArtifacts: [{ name: 'My-Site' }],
            }),
          ],
        ),
      }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Publish' is not valid: ObjectKey is required when Extract is false",
      pipeline({ stages: stages([source()], [deploy({ BucketName: 'site', Extract: 'false' })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Approve' is not valid: NotificationArn is not implemented by Drydock: there is no Amazon SNS yet",
      pipeline({ stages: stages([source()], [approval({ configuration: { NotificationArn: 'arn:aws:sns:x' } })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      'Action Compile cannot have timeoutInMinutes: only manual approval actions do',
      pipeline({ stages: stages([source()], [build({ timeoutInMinutes: 10 })]) }),
    ],
    [
      'InvalidActionDeclarationException',
      'Action Compile has commands, which Build actions of CodeBuild do not take',
      pipeline({ stages: stages([source()], [build({ commands: ['make'] })]) }),
    ],
    [
      'InvalidStructureException',
      'Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist. StageName=[Stage1], ActionName=[Approve], ActionConfigurationKey=[CustomData], VariableReferenceText=[Source.CommitId]',
      pipeline({ stages: stages([source()], [approval({ configuration: { CustomData: '#{Source.CommitId}' } })]) }),
    ],
    [
      'InvalidStructureException',
      'Namespace Source of action Compile is already in use: namespaces must be unique',
      pipeline({ stages: stages([source({ namespace: 'Source' })], [build({ namespace: 'Source' })]) }),
    ],
    [
      'InvalidStructureException',
      'Execution mode QUEUED is only supported for pipelines of type V2',
      pipeline({ executionMode: 'QUEUED' }),
    ],
    [
      'InvalidStructureException',
      'Pipeline variables are only supported for pipelines of type V2',
      pipeline({ variables: [{ name: 'WHO' }] }),
    ],
    [
      'InvalidActionDeclarationException',
      "Action configuration for action 'Publish' is not valid: CannedACL everybody is not one of authenticated-read, aws-exec-read, bucket-owner-full-control, bucket-owner-read, private, public-read, public-read-write",
      pipeline({
        stages: stages([source()], [deploy({ BucketName: 'site', Extract: 'true', CannedACL: 'everybody' })]),
      }),
    ],
    [
      'InvalidStructureException',
      'Stage Stage1 has onFailure, which is only supported for pipelines of type V2',
      pipeline({
        stages: [...stages([source()]), { name: 'Stage1', actions: [build()], onFailure: { result: 'ROLLBACK' } }],
      }),
    ],
    [
      'InvalidStructureException',
      'Pipeline must have an artifactStore or artifactStores',
      pipeline({ artifactStore: undefined }),
    ],
    [
      'InvalidBlockerDeclarationException',
      'Stage Stage1 has blockers: they are reserved for future use',
      pipeline({
        stages: [
          ...stages([source()]),
          { name: 'Stage1', actions: [build()], blockers: [{ name: 'x', type: 'Schedule' }] },
        ],
      }),
    ],
    ...(
      [
        ['Triggers are only supported for pipelines of type V2', {}, { pipelineType: 'V1' }],
        [
          'The trigger of Nothing must name a source action of CodeStarSourceConnection',
          { sourceActionName: 'Nothing', push: [{ tags: { includes: ['v*'] } }] },
          {},
        ],
        ['The trigger of Checkout must have a push or pullRequest filter', {}, {}],
        [
          'The trigger of Checkout has a filter with both tags and branches',
          { push: [{ tags: { includes: ['v*'] }, branches: { includes: ['main'] } }] },
          {},
        ],
        [
          'The trigger of Checkout has a pullRequest filter without branches',
          { pullRequest: [{ events: ['OPEN'] }] },
          {},
        ],
      ] as [string, object, object][]
    ).map(([message, git, change]): [string, string, Declaration] => [
      'InvalidStructureException',
      message,
      connected({ sourceActionName: 'Checkout', ...git }, change),
    ]),
  ])('%s: %s', (code, message, declaration) => expect(refused(declaration)).toMatchObject({ code, message }))
})

it('groups actions by runOrder', () => {
  const [stage] = stages([
    approval({ name: 'c', runOrder: 3 }),
    approval({ name: 'a' }),
    approval({ name: 'd', runOrder: 3 }),
    approval({ name: 'b', runOrder: 2 }),
  ])
  const names = groupsOf(stage ?? { name: '', actions: [] }).map((group) => group.map(({ name }) => name))
  expect(names).toEqual([['a'], ['b'], ['c', 'd']])
})

it('finds the artifact bucket', () => {
  expect(bucketOf(pipeline(), 'eu-west-1')).toBe('artifacts')
  const stores = { 'eu-west-1': { type: 'S3', location: 'other' } } as const
  expect(bucketOf(pipeline({ artifactStore: undefined, artifactStores: stores }), 'eu-west-1')).toBe('other')
})
