import * as sdk from '@aws-sdk/client-secrets-manager'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import type { ServiceId } from '../../kernel/model/clients.ts'
import { defineService, type Service } from '../../kernel/service.ts'

// There is no Lambda yet: a stand-in takes its place in the server's list, with a function that each story writes.

type Lambda = typeof import('@aws-sdk/client-lambda')
type Call = { Step: string; SecretId: string; ClientRequestToken: string }

let drydock: Story
let secrets: sdk.SecretsManagerClient
let rotate: (call: Call) => Promise<void>
let steps: string[]
const RotationLambdaARN = 'arn:aws:lambda:us-east-1:000000000000:function:turn'

beforeEach(async () => {
  drydock = await story()
  secrets = drydock.client(sdk.SecretsManagerClient)
  steps = []
  const lambda = defineService<Lambda>()({
    id: 'lambda',
    tables: [],
    operations: {
      Invoke: async (_, { InvocationType, Payload }) => {
        if (InvocationType === 'DryRun') return { StatusCode: 204 }
        const call = JSON.parse(Buffer.from(Payload ?? []).toString()) as Call
        steps.push(call.Step)
        return rotate(call).then(
          () => ({ StatusCode: 200 }),
          () => ({ StatusCode: 200, FunctionError: 'Unhandled' }),
        )
      },
    },
    access: {
      operations: { Invoke: () => ({ action: 'lambda:InvokeFunction', resources: [RotationLambdaARN] }) },
      resourcePolicy: async (ctx) => ({
        account: ctx.account,
        document: {
          Version: '2012-10-17',
          Statement: {
            Effect: 'Allow',
            Principal: { Service: 'secretsmanager.amazonaws.com' },
            Action: 'lambda:InvokeFunction',
            Resource: '*',
            Condition: { StringEquals: { 'aws:SourceAccount': '000000000000' } },
          },
        },
      }),
    },
  })
  const services = drydock.server.kernel.services as Map<ServiceId, Service>
  services.set('lambda', lambda)
  await secrets.send(new sdk.CreateSecretCommand({ Name: 'db', SecretString: 'v0' }))
})
afterEach(() => drydock.close())

/** What AWS's rotation templates do: a new value under AWSPENDING, which becomes current at the end. */
const wellBehaved = async ({ Step, SecretId, ClientRequestToken }: Call): Promise<void> => {
  if (Step === 'createSecret')
    await secrets.send(
      new sdk.PutSecretValueCommand({
        SecretId,
        ClientRequestToken,
        SecretString: `made ${steps.length}`,
        VersionStages: ['AWSPENDING'],
      }),
    )
  if (Step !== 'finishSecret') return
  const { VersionIdsToStages = {} } = await secrets.send(new sdk.DescribeSecretCommand({ SecretId }))
  const current = Object.keys(VersionIdsToStages).find((id) => VersionIdsToStages[id]?.includes('AWSCURRENT'))
  await secrets.send(
    new sdk.UpdateSecretVersionStageCommand({
      SecretId,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: ClientRequestToken,
      RemoveFromVersionId: current,
    }),
  )
}
const current = async () => (await secrets.send(new sdk.GetSecretValueCommand({ SecretId: 'db' }))).SecretString
const turnOn = (more: object = {}) =>
  secrets.send(
    new sdk.RotateSecretCommand({
      SecretId: 'db',
      RotationLambdaARN,
      RotationRules: { AutomaticallyAfterDays: 10 },
      ...more,
    }),
  )
const all = ['createSecret', 'setSecret', 'testSecret', 'finishSecret']

test('four steps at once, and again when the days have passed', async () => {
  rotate = wellBehaved
  const { VersionId } = await turnOn()
  await drydock.settled()
  expect(steps).toEqual(all)
  expect(await secrets.send(new sdk.DescribeSecretCommand({ SecretId: 'db' }))).toMatchObject({
    RotationEnabled: true,
    LastRotatedDate: new Date('2026-11-23T09:00:00Z'),
    NextRotationDate: new Date('2026-12-03T09:00:00Z'),
    VersionIdsToStages: { [VersionId ?? '']: ['AWSCURRENT'] },
  })
  expect(await current()).toBe('made 1')
  await drydock.advance({ days: 10 })
  expect(steps).toEqual([...all, ...all])
  expect(await current()).toBe('made 5')
  await secrets.send(new sdk.CancelRotateSecretCommand({ SecretId: 'db' }))
  await drydock.advance({ days: 30 })
  expect(steps).toHaveLength(8)
})

test('a step that fails leaves the secret as it is, and is tried again', async () => {
  let broken = true
  rotate = async (call) => {
    if (call.Step === 'testSecret' && broken) throw new Error('cannot log in')
    await wellBehaved(call)
  }
  await turnOn()
  await drydock.settled()
  expect(steps).toEqual(['createSecret', 'setSecret', 'testSecret'])
  expect(await current()).toBe('v0')
  await expect(turnOn()).rejects.toMatchObject({ name: 'InvalidRequestException' })
  broken = false
  await drydock.advance({ minutes: 1 })
  expect(await current()).toBe('made 1')
  expect(drydock.events.map(({ detail }) => detail.eventName).filter(Boolean)).toContain('RotationFailed')
})

test('by a schedule, and not before it', async () => {
  rotate = wellBehaved
  await turnOn({ RotationRules: { ScheduleExpression: 'cron(0 4 ? * MON *)' }, RotateImmediately: false })
  await drydock.advance({ days: 6 })
  expect(steps).toEqual([])
  await drydock.advance({ hours: 19 })
  expect(steps).toEqual(all)
})
