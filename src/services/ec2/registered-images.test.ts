import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DescribeImagesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { afterEach, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

const folder = mkdtempSync(join(tmpdir(), 'drydock-image-'))
let drydock: Story | undefined
afterEach(async () => {
  await drydock?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('an image that the user registered boots under its own name', async () => {
  const tarball = join(folder, 'root.tar')
  writeFileSync(tarball, '')
  drydock = await story({ config: { images: { 'team/base': folder, 'team/packed': tarball } } })
  const ec2 = drydock.client(EC2Client)
  const { Images = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ['self'] }))
  expect(Images.map(({ Name }) => Name)).toEqual(['team/base', 'team/packed'])
  for (const { ImageId } of Images) await ec2.send(new RunInstancesCommand({ ImageId, MinCount: 1, MaxCount: 1 }))
  await drydock.settled()
  expect(drydock.compute.started.map(({ image }) => image)).toEqual(expect.arrayContaining([{ folder }, { tarball }]))
  await expect(
    ec2.send(new RunInstancesCommand({ ImageId: 'ami-0123456789abcdef0', MinCount: 1, MaxCount: 1 })),
  ).rejects.toMatchObject({ name: 'InvalidAMIID.NotFound' })
})
