import {
  CodePipelineClient,
  CreatePipelineCommand,
  DeletePipelineCommand,
  GetPipelineCommand,
  GetPipelineStateCommand,
  ListActionTypesCommand,
  ListPipelinesCommand,
  ListTagsForResourceCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refused, releaseStory } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'

// Pipelines as records: made, changed, tagged, refused.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
})
afterEach(() => release.bench.drydock.close())

describe('pipelines', () => {
  it('are created, changed, listed and deleted; every version is kept', async () => {
    await release.create({ pipelineType: 'V2', executionMode: 'QUEUED' })
    await expect(release.create()).rejects.toEqual(
      refused('PipelineNameInUseException', "A pipeline with the name 'release' already exists in account"),
    )
    const { pipeline } = await release.bench.codepipeline.send(
      new UpdatePipelineCommand({ pipeline: release.declare() }),
    )
    expect(pipeline).toMatchObject({ version: 2, pipelineType: 'V1', executionMode: 'SUPERSEDED' })
    const first = await release.bench.codepipeline.send(new GetPipelineCommand({ name: 'release', version: 1 }))
    expect(first.pipeline).toMatchObject({ version: 1, pipelineType: 'V2', executionMode: 'QUEUED' })
    expect(first.pipeline?.stages?.[1]?.actions?.[0]).toMatchObject({
      runOrder: 1,
      configuration: {},
      inputArtifacts: [],
    })
    expect(first.metadata?.pipelineArn).toBe(`arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:release`)
    await expect(
      release.bench.codepipeline.send(new GetPipelineCommand({ name: 'release', version: 3 })),
    ).rejects.toEqual(refused('PipelineVersionNotFoundException'))
    await release.bench.codepipeline.send(new CreatePipelineCommand({ pipeline: release.declare({ name: 'another' }) }))
    const { pipelines, nextToken } = await release.bench.codepipeline.send(new ListPipelinesCommand({ maxResults: 1 }))
    expect(pipelines?.map(({ name }) => name)).toEqual(['another'])
    const rest = await release.bench.codepipeline.send(new ListPipelinesCommand({ nextToken }))
    expect(rest.pipelines?.map(({ name, version }) => [name, version])).toEqual([['release', 2]])
    await release.bench.codepipeline.send(new DeletePipelineCommand({ name: 'release' }))
    await release.bench.codepipeline.send(new DeletePipelineCommand({ name: 'release' }))
    await release.bench.drydock.settled()
    await expect(release.bench.codepipeline.send(new GetPipelineCommand({ name: 'release' }))).rejects.toEqual(
      refused(
        'PipelineNotFoundException',
        `Account '${release.bench.drydock.account}' does not have a pipeline with name 'release'`,
      ),
    )
    await expect(
      release.bench.codepipeline.send(new UpdatePipelineCommand({ pipeline: release.declare() })),
    ).rejects.toEqual(refused('ResourceNotFoundException'))
    await release.create()
    expect(await release.list()).toHaveLength(1)
  })

  it('have tags', async () => {
    const tags = [{ key: 'team', value: 'a' }]
    await release.bench.codepipeline.send(new CreatePipelineCommand({ pipeline: release.declare(), tags }))
    const resourceArn = `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:release`
    await release.bench.codepipeline.send(
      new TagResourceCommand({ resourceArn, tags: [{ key: 'stage', value: 'dev' }] }),
    )
    await release.bench.codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'team', value: 'b' }] }))
    await release.bench.codepipeline.send(new UntagResourceCommand({ resourceArn, tagKeys: ['stage'] }))
    const listed = await release.bench.codepipeline.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(listed.tags).toEqual([{ key: 'team', value: 'b' }])
    await expect(
      release.bench.codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'aws:x', value: '' }] })),
    ).rejects.toEqual(refused('InvalidTagsException'))
    await expect(
      release.bench.codepipeline.send(new ListTagsForResourceCommand({ resourceArn: `${resourceArn}-none` })),
    ).rejects.toEqual(refused('ResourceNotFoundException'))
    // Tags decide who may do what.
    const keys = await release.bench.drydock.user('teamster', [
      allow('codepipeline:*', '*', { StringEquals: { 'aws:ResourceTag/team': 'b' } }),
    ])
    const theirs = release.bench.drydock.client(CodePipelineClient, keys)
    await theirs.send(new GetPipelineStateCommand({ name: 'release' }))
    await release.bench.codepipeline.send(new UntagResourceCommand({ resourceArn, tagKeys: ['team'] }))
    await expect(theirs.send(new GetPipelineStateCommand({ name: 'release' }))).rejects.toEqual(
      refused('AccessDeniedException', 'codepipeline:GetPipelineState'),
    )
  })

  it('are refused without changing anything', async () => {
    const one = release.declare({ stages: release.declare().stages?.slice(0, 1) })
    await expect(release.bench.codepipeline.send(new CreatePipelineCommand({ pipeline: one }))).rejects.toEqual(
      refused('InvalidStructureException', /^Pipeline has only 1 stage/),
    )
    const foreign = await release.bench.drydock.role('foreign', 'ec2.amazonaws.com')
    await expect(release.create({ roleArn: foreign })).rejects.toEqual(
      refused('InvalidStructureException', `CodePipeline is not authorized to perform AssumeRole on role ${foreign}`),
    )
    const trusting = (pipeline: string) => ({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: 'codepipeline.amazonaws.com' },
          Action: 'sts:AssumeRole',
          Condition: {
            ArnEquals: {
              'aws:SourceArn': `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:${pipeline}`,
            },
          },
        },
      ],
    })
    await expect(
      release.create({ roleArn: await release.bench.drydock.role('anothers', trusting('another')) }),
    ).rejects.toEqual(refused('InvalidStructureException', /AssumeRole/))
    const own = await release.bench.drydock.role('own', trusting('another'))
    await release.bench.codepipeline.send(
      new CreatePipelineCommand({ pipeline: release.declare({ name: 'another', roleArn: own }) }),
    )
    expect((await release.bench.codepipeline.send(new ListPipelinesCommand({}))).pipelines).toHaveLength(1)
    await release.bench.codepipeline.send(new DeletePipelineCommand({ name: 'another' }))
    const keys = await release.bench.drydock.user('author', [allow('codepipeline:*')])
    await expect(
      release.bench.drydock
        .client(CodePipelineClient, keys)
        .send(new CreatePipelineCommand({ pipeline: release.declare() })),
    ).rejects.toEqual(refused('AccessDeniedException', 'iam:PassRole'))
    expect((await release.bench.codepipeline.send(new ListPipelinesCommand({}))).pipelines).toEqual([])
  })

  it('are made of action types that work', async () => {
    const { actionTypes } = await release.bench.codepipeline.send(
      new ListActionTypesCommand({ actionOwnerFilter: 'AWS' }),
    )
    expect(actionTypes?.map(({ id }) => `${id?.category} ${id?.provider}`)).toEqual([
      'Approval Manual',
      'Build CodeBuild',
      'Compute Commands',
      'Deploy CodeDeploy',
      'Deploy EC2',
      'Deploy S3',
      'Invoke CodePipeline',
      'Source CodeCommit',
      'Source CodeStarSourceConnection',
      'Source S3',
      'Test CodeBuild',
    ])
    const custom = await release.bench.codepipeline.send(new ListActionTypesCommand({ actionOwnerFilter: 'Custom' }))
    expect(custom.actionTypes).toEqual([])
  })
})
