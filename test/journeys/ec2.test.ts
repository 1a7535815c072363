import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../story.ts'
import { hasCli, rootEnvironment, run } from './clients.ts'

// EC2 with a client that no one here wrote: the AWS CLI.

const cli = await hasCli('EC2')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  drydock = await story()
  folder = mkdtempSync(join(tmpdir(), 'drydock-ec2-journey-'))
  environment = rootEnvironment(drydock, folder)
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

/** `aws ec2 …`, its answer as plain text. */
const ec2 = async (line: string): Promise<string> =>
  (await run('aws', ['ec2', ...line.split(' '), '--output', 'text'], { env: environment, cwd: folder })).stdout.trim()
const complaint = (line: string): Promise<string> =>
  ec2(line).then(
    () => `aws ec2 ${line} succeeded`,
    (error: { stderr?: string }) => error.stderr ?? String(error),
  )

test.skipIf(!cli)(
  'an instance from its key pair to its end',
  async () => {
    const image = await ec2('describe-images --owners amazon --query Images[0].ImageId')
    writeFileSync(join(folder, 'key.pem'), await ec2('create-key-pair --key-name mine --query KeyMaterial'))
    expect(readFileSync(join(folder, 'key.pem'), 'utf8')).toContain('BEGIN RSA PRIVATE KEY')
    const group = await ec2('create-security-group --group-name web --description web --query GroupId')
    await ec2(`authorize-security-group-ingress --group-id ${group} --protocol tcp --port 80 --cidr 0.0.0.0/0`)
    expect(
      await complaint(`authorize-security-group-ingress --group-id ${group} --protocol tcp --port 80 --cidr 0.0.0.0/0`),
    ).toContain(
      'An error occurred (InvalidPermission.Duplicate) when calling the AuthorizeSecurityGroupIngress operation: the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists',
    )
    writeFileSync(join(folder, 'boot.sh'), '#!/bin/sh\necho hello\n')
    const id = await ec2(
      `run-instances --image-id ${image} --instance-type t3.micro --key-name mine --security-group-ids ${group} --user-data file://boot.sh --tag-specifications ResourceType=instance,Tags=[{Key=Name,Value=web}] --query Instances[0].InstanceId`,
    )
    await ec2(`wait instance-running --instance-ids ${id}`)
    expect(
      await ec2(
        'describe-instances --filters Name=tag:Name,Values=web --query Reservations[].Instances[].[InstanceId,State.Name,PrivateIpAddress]',
      ),
    ).toBe(`${id}\trunning\t172.31.0.4`)
    const files = drydock.compute.started[0]?.files ?? []
    expect(files.find(({ path }) => path === '/opt/drydock/user-data')?.content).toBe('#!/bin/sh\necho hello\n')
    expect(await complaint(`delete-security-group --group-id ${group}`)).toContain('(DependencyViolation)')
    expect(await complaint('describe-instances --instance-ids i-0123456789abcdef0')).toContain(
      "(InvalidInstanceID.NotFound) when calling the DescribeInstances operation: The instance ID 'i-0123456789abcdef0' does not exist",
    )
    await ec2(`stop-instances --instance-ids ${id}`)
    await ec2(`wait instance-stopped --instance-ids ${id}`)
    await ec2(`start-instances --instance-ids ${id}`)
    await ec2(`wait instance-running --instance-ids ${id}`)
    await ec2(`terminate-instances --instance-ids ${id}`)
    await ec2(`wait instance-terminated --instance-ids ${id}`)
    await ec2(`delete-security-group --group-id ${group}`)
    expect(await complaint('run-instances --image-id ami-0123456789abcdef0')).toContain('(InvalidAMIID.NotFound)')
  },
  120_000,
)
