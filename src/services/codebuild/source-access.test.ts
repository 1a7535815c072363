import { CodeBuildClient, ImportSourceCredentialsCommand } from '@aws-sdk/client-codebuild'
import { expect, test } from 'vitest'
import { story } from '../../../test/story.ts'
import type { Service } from '../../kernel/service.ts'
import { accessOf } from './source-access.ts'

test('a provider’s token goes to the provider, and to no other host that a project names', async () => {
  const drydock = await story()
  const codebuild = drydock.client(CodeBuildClient)
  for (const serverType of ['GITHUB', 'GITLAB', 'GITHUB_ENTERPRISE'] as const)
    await codebuild.send(
      new ImportSourceCredentialsCommand({ serverType, authType: 'PERSONAL_ACCESS_TOKEN', token: `of-${serverType}` }),
    )
  const { kernel } = drydock.server
  const ctx = kernel.ownContext(kernel.services.get('codebuild') as Service, {
    account: drydock.account,
    region: drydock.region,
  })
  const tokenFor = async (type: 'GITHUB' | 'GITLAB' | 'GITHUB_ENTERPRISE', location: string) =>
    (await accessOf(ctx, ctx.as(ctx.principal), { type, location }, { initiator: 'ana' }))?.token
  expect({
    github: await tokenFor('GITHUB', 'https://github.com/me/app'),
    inClear: await tokenFor('GITHUB', 'http://github.com/me/app'),
    likeIt: await tokenFor('GITHUB', 'https://github.com.example.com/me/app'),
    elsewhere: await tokenFor('GITLAB', 'https://git.example.com/me/app'),
    enterprise: await tokenFor('GITHUB_ENTERPRISE', 'https://git.example.com/me/app'),
    ownRepository: await tokenFor('GITHUB', `${drydock.endpoint}/v1/repos/app`),
  }).toEqual({ github: 'of-GITHUB', enterprise: 'of-GITHUB_ENTERPRISE', ownRepository: 'of-GITHUB' })
  await drydock.close()
})
