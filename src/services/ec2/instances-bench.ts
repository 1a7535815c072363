import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2'
import { type Keys, type Story, type StoryOptions, story } from '../../../test/story.ts'

/** What the stories about instances share: a server, a client, and a way to have an instance. */
export type InstancesBench = {
  drydock: Story
  ec2: EC2Client
  readonly imageId: string
  as(keys: Keys): EC2Client
  see(id: string): Promise<Instance>
  stateOf(id: string): Promise<string | undefined>
  /** Launches one instance and waits until it runs. */
  launch(more?: Partial<RunInstancesCommandInput>): Promise<string>
  restart(): Promise<void>
}

export const instancesBench = async (options: StoryOptions = {}): Promise<InstancesBench> => {
  const drydock = await story(options)
  const ec2 = drydock.client(EC2Client)
  const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
  const bench: InstancesBench = {
    drydock,
    ec2,
    imageId: Images?.[0]?.ImageId ?? '',
    as: (keys) => bench.drydock.client(EC2Client, keys),
    see: async (id) => {
      const { Reservations } = await bench.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
      const found = Reservations?.[0]?.Instances?.[0]
      if (!found) throw new Error(`${id} is not there`)
      return found
    },
    stateOf: async (id) => (await bench.see(id)).State?.Name,
    launch: async (more = {}) => {
      const { Instances } = await bench.ec2.send(
        new RunInstancesCommand({
          ImageId: bench.imageId,
          InstanceType: 't3.micro',
          MinCount: 1,
          MaxCount: 1,
          ...more,
        }),
      )
      await bench.drydock.settled()
      return Instances?.[0]?.InstanceId ?? ''
    },
    restart: async () => {
      bench.drydock = await bench.drydock.restart()
      bench.ec2 = bench.drydock.client(EC2Client)
    },
  }
  return bench
}
