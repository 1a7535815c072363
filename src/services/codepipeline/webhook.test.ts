import { createHmac } from 'node:crypto'
import {
  DeleteWebhookCommand,
  DeregisterWebhookWithThirdPartyCommand,
  ListWebhooksCommand,
  PutWebhookCommand,
  RegisterWebhookWithThirdPartyCommand,
  type WebhookDefinition,
} from '@aws-sdk/client-codepipeline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { refused, releaseStory } from '../../../test/release-pipeline.ts'

// Webhooks: payloads that start a pipeline.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
  await release.upload()
  await release.create()
})
afterEach(() => release.bench.drydock.close())

const define = (change: Partial<WebhookDefinition> = {}): WebhookDefinition => ({
  name: 'hook',
  targetPipeline: 'release',
  targetAction: 'Fetch',
  filters: [{ jsonPath: '$.key', matchEquals: 'uploads/{S3ObjectKey}' }],
  authentication: 'UNAUTHENTICATED',
  authenticationConfiguration: {},
  ...change,
})
const put = async (change?: Partial<WebhookDefinition>) =>
  (await release.bench.codepipeline.send(new PutWebhookCommand({ webhook: define(change) }))).webhook
const list = async () => (await release.bench.codepipeline.send(new ListWebhooksCommand({}))).webhooks ?? []

const post = async (url: string | undefined, payload: unknown, headers: Record<string, string> = {}) => {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
  const answer = await fetch(url ?? '', { method: 'POST', body, headers })
  await release.bench.drydock.settled()
  return { status: answer.status, started: (await release.list()).length - 1 }
}

it('starts the pipeline when its filters pass', async () => {
  const hook = await put()
  expect(await post(hook?.url, { key: 'uploads/other.zip' })).toEqual({ status: 200, started: 0 })
  expect(await post(hook?.url, 'no json')).toEqual({ status: 400, started: 0 })
  expect(await post(`${hook?.url?.slice(0, -1)}x`, {})).toMatchObject({ started: 0 })
  expect(await post(hook?.url, { key: 'uploads/app.zip' })).toEqual({ status: 200, started: 1 })
  const arn = `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:webhook:hook`
  expect((await release.list())[0]?.trigger).toEqual({ triggerType: 'Webhook', triggerDetail: arn })
  expect(await list()).toMatchObject([{ arn, url: hook?.url, lastTriggered: new Date('2026-11-23T09:00:00Z') }])
  // An update keeps the URL.
  expect((await put({ filters: [{ jsonPath: '$.commits[*].id', matchEquals: 'b' }] }))?.url).toBe(hook?.url)
  expect(await post(hook?.url, { commits: [{ id: 'a' }, { id: 'b' }] })).toEqual({ status: 200, started: 2 })
  await release.bench.codepipeline.send(new DeleteWebhookCommand({ name: 'hook' }))
  expect((await post(hook?.url, {})).status).toBe(404)
  expect(await list()).toEqual([])
})

it('bears payloads that are meant to hurt', async () => {
  const hook = await put({
    filters: [
      { jsonPath: '$..ref', matchEquals: 'x' },
      { jsonPath: '$..*', matchEquals: 'x' },
    ],
  })
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const wide = JSON.stringify({ ref: Array.from({ length: 400_000 }, () => 0) })
  for (const payload of [deep, wide, `{"__proto__": ${wide}}`])
    expect(await post(hook?.url, payload)).toEqual({ status: 200, started: 0 })
  expect((await post(hook?.url, 'x'.repeat(6 * 1024 ** 2))).status).toBe(413)
})

it('asks for GitHub’s signature', async () => {
  const hook = await put({ authentication: 'GITHUB_HMAC', authenticationConfiguration: { SecretToken: 'pssst' } })
  expect(hook?.definition?.authenticationConfiguration).toEqual({ SecretToken: '****' })
  const payload = JSON.stringify({ key: 'uploads/app.zip' })
  const signed = (algorithm: string, secret: string) =>
    `${algorithm}=${createHmac(algorithm, secret).update(payload).digest('hex')}`
  expect(await post(hook?.url, payload)).toEqual({ status: 403, started: 0 })
  expect(await post(hook?.url, payload, { 'x-hub-signature': signed('sha1', 'guess') })).toMatchObject({ status: 403 })
  expect(await post(hook?.url, payload, { 'x-hub-signature': signed('sha1', 'pssst') })).toMatchObject({ started: 1 })
  expect(await post(hook?.url, payload, { 'x-hub-signature-256': signed('sha256', 'pssst') })).toMatchObject({
    started: 2,
  })
})

it.each([
  ['127.0.0.0/8', 200],
  ['10.0.0.0/8', 403],
])('admits addresses of %s: %i', async (AllowedIPRange, status) => {
  const hook = await put({ authentication: 'IP', authenticationConfiguration: { AllowedIPRange } })
  expect((await post(hook?.url, { key: 'uploads/app.zip' })).status).toBe(status)
})

it.each([
  [{ authentication: 'GITHUB_HMAC' }, 'InvalidWebhookAuthenticationParametersException'],
  [
    { authentication: 'IP', authenticationConfiguration: { AllowedIPRange: '10.0.0.0/99' } },
    'InvalidWebhookAuthenticationParametersException',
  ],
  [{ authenticationConfiguration: { SecretToken: 'x' } }, 'InvalidWebhookAuthenticationParametersException'],
  [{ filters: [{ jsonPath: 'key' }] }, 'InvalidWebhookFilterPatternException'],
  [{ targetPipeline: 'none' }, 'PipelineNotFoundException'],
  [{ targetAction: 'Approve' }, 'ValidationException'],
] as const)('refuses %j', async (change, code) => {
  await expect(put(change as unknown as Partial<WebhookDefinition>)).rejects.toEqual(refused(code))
})

it('is not registered with anybody', async () => {
  const of = { webhookName: 'hook' }
  await expect(release.bench.codepipeline.send(new RegisterWebhookWithThirdPartyCommand(of))).rejects.toEqual(
    refused('WebhookNotFoundException'),
  )
  await put()
  await expect(release.bench.codepipeline.send(new RegisterWebhookWithThirdPartyCommand(of))).rejects.toEqual(
    refused('NotImplemented', /GitHub/),
  )
  await release.bench.codepipeline.send(new DeregisterWebhookWithThirdPartyCommand(of))
})
