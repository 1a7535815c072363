import { createHash } from 'node:crypto'
import type { Image as TaskImage } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { filtered, page } from './filters.ts'
import { hostArchitecture } from './instance-types.ts'
import { fail, type Operation } from './operation.ts'

/**
 * The one image every host can boot without a download: its own system folders under a writable layer. Its id is the same
 * in every region and on every start.
 */
const hostImage = {
  id: `ami-${createHash('sha256').update('drydock host image').digest('hex').slice(0, 17)}`,
  name: 'drydock/host-linux',
  description: "The host's own root file system, read-only, under a writable layer of the instance",
  created: '2026-01-01T00:00:00.000Z',
  task: { host: true } satisfies TaskImage,
}

/** What a machine of this image is made of. Throws InvalidAMIID.NotFound, InvalidAMIID.Malformed. */
export const taskImage = (imageId: string): TaskImage => {
  if (!/^ami-[0-9a-f]{8}([0-9a-f]{9})?$/.test(imageId)) throw fail('InvalidAMIID.Malformed', `Invalid id: "${imageId}"`)
  if (imageId !== hostImage.id) throw fail('InvalidAMIID.NotFound', `The image id '[${imageId}]' does not exist`)
  return hostImage.task
}

export const DescribeImages: Operation<'DescribeImages'> = (
  ctx: Ctx,
  { ImageIds, Owners, Filters, MaxResults, NextToken },
) => {
  for (const id of ImageIds ?? []) taskImage(id)
  const owned = !Owners?.length || Owners.includes('amazon')
  const images = filtered(
    owned ? [hostImage] : [],
    Filters,
    [
      'image-id',
      'name',
      'architecture',
      'state',
      'owner-alias',
      'root-device-type',
      'virtualization-type',
      'is-public',
      'image-type',
      'description',
    ],
    ({ id, name, description }) => ({
      facts: {
        'image-id': id,
        name,
        description,
        architecture: hostArchitecture(),
        state: 'available',
        'owner-alias': 'amazon',
        'root-device-type': 'ebs',
        'virtualization-type': 'hvm',
        'is-public': 'true',
        'image-type': 'machine',
      },
      tags: {},
    }),
  )
  const { page: cut, ...more } = page(images, MaxResults, NextToken)
  return {
    Images: cut.map(({ id, name, description, created }) => ({
      ImageId: id,
      Name: name,
      Description: description,
      CreationDate: created,
      Architecture: hostArchitecture(),
      State: 'available' as const,
      ImageOwnerAlias: 'amazon',
      OwnerId: ctx.account,
      Public: true,
      ImageType: 'machine' as const,
      RootDeviceType: 'ebs' as const,
      RootDeviceName: '/dev/xvda',
      VirtualizationType: 'hvm' as const,
      Hypervisor: 'xen' as const,
      BlockDeviceMappings: [],
    })),
    ...more,
  }
}
