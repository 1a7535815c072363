import { expect, test } from 'vitest'
import { conditionKeys, overrideKeys } from './condition-keys.ts'

const present = (keys: Readonly<Record<string, unknown>> | undefined) =>
  Object.fromEntries(Object.entries(keys ?? {}).filter(([, value]) => value !== undefined))

test('a project is told by its members, what has members of its own by being there', () => {
  const keys = conditionKeys({
    serviceRole: 'arn:aws:iam::000000000000:role/builder',
    source: { type: 'S3', location: 'bucket/key.zip', buildspec: 'version: 0.2' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/standard:7.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      privilegedMode: false,
      environmentVariables: [
        { name: 'STAGE', value: 'beta' },
        { name: 'WHO', value: 'me' },
      ],
    },
    vpcConfig: { vpcId: 'vpc-1', subnets: ['subnet-1', 'subnet-2'] },
    secondaryArtifacts: [{ artifactIdentifier: 'docs', type: 'S3', location: 'docs' }],
  })
  expect(present(keys)).toEqual({
    'codebuild:serviceRole': 'arn:aws:iam::000000000000:role/builder',
    'codebuild:source': 'true',
    // Its text is for nobody to compare with.
    'codebuild:source.buildspec': 'true',
    'codebuild:source.location': 'bucket/key.zip',
    'codebuild:environment': 'true',
    'codebuild:environment.type': 'LINUX_CONTAINER',
    'codebuild:environment.image': 'aws/codebuild/standard:7.0',
    'codebuild:environment.computeType': 'BUILD_GENERAL1_SMALL',
    'codebuild:environment.privilegedMode': 'false',
    'codebuild:environment.environmentVariables': 'true',
    'codebuild:environment.environmentVariables.name': ['STAGE', 'WHO'],
    'codebuild:environment.environmentVariables.value': ['beta', 'me'],
    'codebuild:environment.environmentVariables/STAGE.value': 'beta',
    'codebuild:environment.environmentVariables/WHO.value': 'me',
    'codebuild:vpcConfig': 'true',
    'codebuild:vpcConfig.vpcId': 'vpc-1',
    'codebuild:vpcConfig.subnets': ['subnet-1', 'subnet-2'],
    'codebuild:secondaryArtifacts': 'true',
    'codebuild:secondaryArtifacts.artifactIdentifier': ['docs'],
    'codebuild:secondaryArtifacts.location': ['docs'],
    'codebuild:secondaryArtifacts/docs.location': 'docs',
  })
})

test('overrides have the keys of what they stand in for, and nothing where there are none', () => {
  expect(present(overrideKeys({ projectName: 'app' }))).toEqual({})
  expect(present(overrideKeys({ projectName: 'app', buildspecOverride: 'x', privilegedModeOverride: true }))).toEqual({
    'codebuild:source': 'true',
    'codebuild:source.buildspec': 'true',
    'codebuild:environment': 'true',
    'codebuild:environment.privilegedMode': 'true',
  })
})
