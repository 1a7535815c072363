import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { awsManagedPolicies } from './aws-managed.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const linked = (await import('./data/service-linked-roles.json', { with: { type: 'json' } })).default

test('every role of the table comes with a policy that there is', async () => {
  const known = new Set(
    (await awsManagedPolicies()).filter(({ path }) => path === '/aws-service-role/').map(({ name }) => name),
  )
  expect(Object.values(linked).filter(({ policy }) => !known.has(policy))).toEqual([])
})

test('a suffix is for services that take one', async () => {
  const create = (AWSServiceName: string, CustomSuffix?: string) =>
    iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName, CustomSuffix }))
  expect((await create('autoscaling.amazonaws.com', 'blue')).Role).toMatchObject({
    RoleName: 'AWSServiceRoleForAutoScaling_blue',
    Path: '/aws-service-role/autoscaling.amazonaws.com/',
  })
  await expect(create('ecs.amazonaws.com', 'blue')).rejects.toMatchObject({
    name: 'InvalidInputException',
    message: 'Custom suffix is not allowed for ecs.amazonaws.com',
  })
  await expect(create('constructor')).rejects.toMatchObject({ name: 'InvalidInputException' })
})

test('only tags and description of one are the account’s to change', async () => {
  const { Role } = await iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName: 'ecs.amazonaws.com' }))
  const RoleName = Role?.RoleName
  await iam.send(new sdk.TagRoleCommand({ RoleName, Tags: [{ Key: 'team', Value: 'red' }] }))
  await iam.send(new sdk.UpdateRoleDescriptionCommand({ RoleName, Description: 'ours' }))
  expect((await iam.send(new sdk.GetRoleCommand({ RoleName }))).Role).toMatchObject({
    Description: 'ours',
    Tags: [{ Key: 'team', Value: 'red' }],
  })
  const PolicyArn = 'arn:aws:iam::aws:policy/ReadOnlyAccess'
  for (const command of [
    new sdk.DeleteRoleCommand({ RoleName }),
    new sdk.UpdateRoleCommand({ RoleName, MaxSessionDuration: 7200 }),
    new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn }),
    new sdk.PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: PolicyArn }),
  ])
    await expect(iam.send(command as sdk.DeleteRoleCommand)).rejects.toMatchObject({
      name: 'UnmodifiableEntityException',
    })
})
