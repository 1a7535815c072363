import type { S3Client } from '@aws-sdk/client-s3'
import { S3ControlClient } from '@aws-sdk/client-s3-control'
import type { Keys, Story } from './story.ts'

// Clients that put something before the endpoint's host: an account, an access point, a bucket. No resolver of every host
// knows such names, so the connection goes to the endpoint's address, whatever the name in the signed `Host` header.

type Stack = Pick<S3Client['middlewareStack'], 'add'>

const connectTo = (drydock: Story, { middlewareStack }: { middlewareStack: Stack }): void =>
  middlewareStack.add(
    (next) => (args) => {
      Object.assign(args.request as object, { hostname: new URL(drydock.endpoint).hostname })
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'connectTo' },
  )

const named = (drydock: Story, host: string): string => drydock.endpoint.replace('127.0.0.1', host)

export const s3Control = (drydock: Story, keys: Keys = drydock.root, region = drydock.region): S3ControlClient => {
  const endpoint = named(drydock, 'localhost')
  const client = new S3ControlClient({ endpoint, region, credentials: keys, maxAttempts: 1 })
  connectTo(drydock, client as unknown as { middlewareStack: Stack })
  return client
}

/** An S3 client that names buckets and access points in the host. Without `host` it goes to AWS's own names. */
export const s3ByHost = (
  Client: typeof S3Client,
  drydock: Story,
  keys: Keys = drydock.root,
  options: { host?: string; useAccelerateEndpoint?: boolean; useDualstackEndpoint?: boolean } = {},
): S3Client => {
  const { host, ...rest } = options
  const client = new Client({
    ...(host === undefined ? {} : { endpoint: named(drydock, host) }),
    ...rest,
    tls: false,
    region: drydock.region,
    credentials: keys,
    maxAttempts: 1,
  })
  client.middlewareStack.add(
    (next) => (args) => {
      Object.assign(args.request as object, { protocol: 'http:', port: Number(new URL(drydock.endpoint).port) })
      return next(args)
    },
    { step: 'build', priority: 'high', name: 'port' },
  )
  connectTo(drydock, client)
  return client
}
