import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DescribeImagesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { allow, type Keys, type Story } from './story.ts'

// Machines of the fake driver whose programs are real: what Run Command has them do is done by this host's shell, below a
// folder for each machine that stands for its root.

/** What Systems Manager needs of an instance's role, as AmazonSSMManagedInstanceCore has it. */
export const managedCore = allow(['ssm:UpdateInstanceInformation', 'ssmmessages:OpenControlChannel'])

const environmentOf = (keys: Keys | undefined) =>
  keys ? { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey } : {}

/** Programs run inside work below `root/<task>`: their first argument is a folder there. They have these keys, if any. */
export const shellsOnHost = (
  drydock: Story,
  keys?: Keys,
  root = mkdtempSync(join(tmpdir(), 'drydock-machines-')),
): { root: string; remove: () => void } => {
  drydock.compute.onExec('ec2-', async ([program = '', ...args], { spec, options, write }) => {
    const inside = (path: string) => (path.startsWith('/') ? join(root, spec.id, path) : path)
    const child = spawn(program, [...args.slice(0, 3), ...args.slice(3).map(inside)], {
      env: {
        PATH: process.env.PATH,
        ROOT: join(root, spec.id),
        AWS_ENDPOINT_URL: drydock.endpoint,
        ...environmentOf(keys),
      },
    })
    child.stdin.end(options.input)
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Uint8Array) => write(chunk))
    return new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)))
  })
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** An instance profile with these policies, and instances that have it. Returns their ids. */
export const fleet = async (
  drydock: Story,
  name: string,
  count: number,
  policies: readonly object[],
  tags: Record<string, string> = {},
): Promise<string[]> => {
  const iam = drydock.client(IAMClient)
  await drydock.role(name, 'ec2.amazonaws.com', policies)
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: name }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: name, RoleName: name }))
  const ec2 = drydock.client(EC2Client)
  const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
  const { Instances = [] } = await ec2.send(
    new RunInstancesCommand({
      ImageId: Images?.[0]?.ImageId,
      MinCount: count,
      MaxCount: count,
      IamInstanceProfile: { Name: name },
      TagSpecifications: [
        {
          ResourceType: 'instance',
          Tags: Object.entries({ Name: name, ...tags }).map(([Key, Value]) => ({ Key, Value })),
        },
      ],
    }),
  )
  await drydock.settled()
  return Instances.map(({ InstanceId = '' }) => InstanceId)
}
