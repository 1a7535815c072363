import { createHash } from 'node:crypto'
import type { Image as TaskImage } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { PublicImages } from '../capabilities.ts'
import { filtered, page } from './filters.ts'
import { hostArchitecture } from './instance-types.ts'
import { fail, type Operation } from './operation.ts'

type MachineImage = {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly own: boolean
  readonly task: TaskImage
}

const idOf = (name: string): string => `ami-${createHash('sha256').update(name).digest('hex').slice(0, 17)}`
/** Images have no moment of making here; AWS's clients sort by it. */
const created = '2026-01-01T00:00:00.000Z'

/**
 * What this host can boot: its own system folders under a writable layer, which needs no download, and what the user
 * registered. Ids are the same in every region and on every start.
 */
const machineImages = (ctx: Ctx): MachineImage[] => [
  {
    id: idOf('drydock host image'),
    name: 'drydock/host-linux',
    description: "The host's own root file system, read-only, under a writable layer of the instance",
    own: false,
    task: { host: true },
  },
  ...ctx.images.map(({ name, image }) => ({
    id: idOf(`registered ${name}`),
    name,
    description: 'A root file system of this host, registered in drydock.yaml',
    own: true,
    task: image,
  })),
]

/** What a machine of this image is made of. Throws InvalidAMIID.NotFound, InvalidAMIID.Malformed. */
export const taskImage = (ctx: Ctx, imageId: string): TaskImage => {
  if (!/^ami-[0-9a-f]{8}([0-9a-f]{9})?$/.test(imageId)) throw fail('InvalidAMIID.Malformed', `Invalid id: "${imageId}"`)
  const image = machineImages(ctx).find(({ id }) => id === imageId)
  if (!image) throw fail('InvalidAMIID.NotFound', `The image id '[${imageId}]' does not exist`)
  return image.task
}

export const DescribeImages: Operation<'DescribeImages'> = (
  ctx: Ctx,
  { ImageIds, Owners, ExecutableUsers, Filters, MaxResults, NextToken },
) => {
  if (ExecutableUsers?.length) throw notImplemented('DescribeImages by launch permissions (ExecutableUsers)')
  for (const id of ImageIds ?? []) taskImage(ctx, id)
  const owners = ({ own }: MachineImage) => (own ? ['self', ctx.account] : ['amazon'])
  const chosen = machineImages(ctx)
    .filter(({ id }) => !ImageIds?.length || ImageIds.includes(id))
    .filter((image) => !Owners?.length || owners(image).some((owner) => Owners.includes(owner)))
  const images = filtered(
    chosen,
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
    ({ id, name, description, own }) => ({
      facts: {
        'image-id': id,
        name,
        description,
        architecture: hostArchitecture(),
        state: 'available',
        'owner-alias': own ? undefined : 'amazon',
        'root-device-type': 'ebs',
        'virtualization-type': 'hvm',
        'is-public': String(!own),
        'image-type': 'machine',
      },
      tags: {},
    }),
  )
  const { page: cut, ...more } = page(images, MaxResults, NextToken)
  return {
    Images: cut.map(({ id, name, description, own }) => ({
      ImageId: id,
      Name: name,
      Description: description,
      CreationDate: created,
      Architecture: hostArchitecture(),
      State: 'available' as const,
      ...(own ? {} : { ImageOwnerAlias: 'amazon' }),
      OwnerId: ctx.account,
      Public: !own,
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

/** Paths under which AWS publishes its newest images, for those that this host stands for. */
const published = [
  'ami-amazon-linux-latest/al2023-ami-kernel-default',
  'ami-amazon-linux-latest/al2023-ami-minimal-kernel-default',
  'ami-amazon-linux-latest/amzn2-ami-hvm',
]

export const publicImagesProvider = (): PublicImages => ({
  parameters: () =>
    Object.fromEntries(
      published.map((path) => [`/aws/service/${path}-${hostArchitecture()}`, idOf('drydock host image')]),
    ),
})
