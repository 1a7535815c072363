import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DescribeImagesCommand, RunInstancesCommand } from '@aws-sdk/client-ec2'
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
} from '@aws-sdk/client-iam'
import {
  type CommandInvocation,
  GetConnectionStatusCommand,
  ListCommandInvocationsCommand,
  SendCommandCommand,
} from '@aws-sdk/client-ssm'
import { sandboxDriver } from '../../src/compute/sandbox.ts'
import { eventually, roleFor } from './delivery.ts'
import { type Actor, certain, type World } from './world.ts'

/** Why there are no machines here to send commands to; `undefined` when there are. */
export const lacksMachines = async (): Promise<string | undefined> => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-probe-'))
  try {
    const { machines, addresses, notes } = await sandboxDriver({ folder, endpoint: () => '' }).probe()
    return machines && addresses ? undefined : notes.join(' ')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Scripts that Run Command has a machine run, sent as the server dies: those that were acknowledged are carried out, all of
 * them once, and how they ended is told.
 */
export const commands = (): Actor => {
  const sent = new Map<string, string>()
  let InstanceId = ''

  const send = ({ aws }: World, script: string[]) =>
    aws.ssm.send(
      new SendCommandCommand({
        ...{ DocumentName: 'AWS-RunShellScript', InstanceIds: [InstanceId], Parameters: { commands: script } },
      }),
    )
  const all = async ({ aws }: World): Promise<CommandInvocation[]> => {
    const found: CommandInvocation[] = []
    let NextToken: string | undefined
    do {
      const page = await aws.ssm.send(new ListCommandInvocationsCommand({ InstanceId, Details: true, NextToken }))
      found.push(...(page.CommandInvocations ?? []))
      NextToken = page.NextToken
    } while (NextToken)
    return found
  }
  const outputOf = ({ CommandPlugins }: CommandInvocation) => CommandPlugins?.[0]?.Output?.trim() ?? ''

  return {
    name: 'commands',
    setUp: async ({ aws }) => {
      await roleFor(aws, 'crash-machine', 'ec2.amazonaws.com')
      await aws.iam.send(
        new AttachRolePolicyCommand({
          RoleName: 'crash-machine',
          PolicyArn: 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore',
        }),
      )
      const profile = { InstanceProfileName: 'crash-machine' }
      await aws.iam.send(new CreateInstanceProfileCommand(profile))
      await aws.iam.send(new AddRoleToInstanceProfileCommand({ ...profile, RoleName: 'crash-machine' }))
      const { Images } = await aws.ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
      const { Instances } = await aws.ec2.send(
        new RunInstancesCommand({
          ...{ ImageId: Images?.[0]?.ImageId, MinCount: 1, MaxCount: 1 },
          IamInstanceProfile: { Name: 'crash-machine' },
        }),
      )
      InstanceId = Instances?.[0]?.InstanceId ?? ''
      const wrong = await eventually(60, async () => {
        const { Status } = await aws.ssm.send(new GetConnectionStatusCommand({ Target: InstanceId }))
        return Status === 'connected' ? [] : [`the machine is ${Status}`]
      })
      if (wrong.length > 0) throw new Error(wrong.join())
    },
    act: async (world) => {
      if (!world.random.chance(0.1)) return
      const word = `word-${world.next()}`
      const made = await certain(send(world, [`echo ${word} >>/root/book`, 'sleep 0.1', `echo ${word}`]))
      if (made?.value.Command?.CommandId) sent.set(made.value.Command.CommandId, word)
    },
    check: async (world, everything) => {
      const look = async () => {
        const found = new Map((await all(world)).map((one) => [one.CommandId ?? '', one]))
        const wrong = [...sent.keys()].flatMap((id) => (found.has(id) ? [] : [`command ${id} is lost`]))
        if (!everything) return wrong
        for (const [id, one] of found) {
          if (one.Status !== 'Success') wrong.push(`command ${id} is ${one.Status}`)
          const word = sent.get(id)
          if (word !== undefined && outputOf(one) !== word)
            wrong.push(`command ${id} said ${outputOf(one)}, not ${word}`)
        }
        return wrong
      }
      if (!everything) return look()
      const wrong = await eventually(90, look)
      if (wrong.length > 0) return wrong
      // Whatever was carried out was so once, also what nobody was told of.
      const { Command } = await send(world, ['sort /root/book | uniq -d'])
      return eventually(30, async () => {
        const last = (await all(world)).find(({ CommandId }) => CommandId === Command?.CommandId)
        if (last?.Status !== 'Success') return [`the last command is ${last?.Status}`]
        return outputOf(last) === '' ? [] : [`commands were carried out more than once: ${outputOf(last)}`]
      })
    },
  }
}
