import type { ServerResponse } from 'node:http'
import type { Ctx } from '../../kernel/context.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { Instance, Machine } from './instance.ts'
import { hostArchitecture } from './instance-types.ts'
import { privateDns, publicDns } from './instance-view.ts'
import { KeyPair } from './key-pairs.ts'
import { credentialsDocument, profileDocument, type RoleDelivery, roleName, roleOf } from './role-credentials.ts'
import { SecurityGroup } from './security-groups.ts'
import { tagsOf } from './tag.ts'

// The instance metadata service ("Use instance metadata to manage your EC2 instance", EC2 user guide). It knows who asks
// by the machine the request came out of, so one instance can never read another's.

/** A branch maps names to nodes; a leaf gives its text, or `undefined` where the instance has none. */
type Leaf = () => Promise<string | undefined> | string | undefined
type Branch = { readonly [name: string]: Node }
/** A branch whose names are only known by reading. */
class Lookup {
  readonly names: () => Promise<string[]>
  readonly value: (name: string) => Promise<Node | undefined>
  constructor(names: Lookup['names'], value: Lookup['value']) {
    this.names = names
    this.value = value
  }
}
type Node = Branch | Leaf | Lookup

const constant = (text: string | undefined) => () => text

const plain = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { 'content-type': 'text/plain', server: 'EC2ws' }).end(body)
}

const longestTtl = 21_600

export const metadataDoor: Route = {
  name: 'instance metadata',
  door: 'metadata',
  path: /\/.*/,
  handle: async (ctx, exchange) => {
    const { request, response, from } = exchange
    const machine = from && (await ctx.read((tx) => tx.get(Machine, from.task)))
    const here = machine && ctx.at(machine.place)
    const instance = machine && (await here?.read((tx) => tx.get(Instance, machine.instanceId)))
    if (!here || !instance || instance.metadata.endpoint === 'disabled') return plain(response, 403, '')
    const path = (request.url ?? '/').split('?')[0]?.replace(/\/{2,}/g, '/') ?? '/'
    if (request.method === 'PUT' && path === '/latest/api/token') return token(here, exchange, instance)
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(response, 405, '')
    const given = request.headers['x-aws-ec2-metadata-token']
    if (typeof given === 'string' ? !validToken(here, given, instance) : instance.metadata.tokens === 'required')
      return plain(response, 401, '')
    const answer = await find(tree(here, instance, given === undefined ? '1.0' : '2.0'), names(path))
    return answer === undefined ? plain(response, 404, notFound) : plain(response, 200, answer)
  },
}

/** The names on a path. Tag keys come percent-encoded. */
const names = (path: string): string[] =>
  path
    .split('/')
    .filter((name) => name !== '')
    .map((name) => {
      try {
        return decodeURIComponent(name)
      } catch {
        return name
      }
    })

const notFound = `<?xml version="1.0" encoding="iso-8859-1"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>404 - Not Found</title></head><body><h1>404 - Not Found</h1></body></html>
`

const token = (ctx: Ctx, { request, response }: Exchange, instance: Instance): void => {
  const seconds = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds'])
  if (request.headers['x-forwarded-for'] !== undefined) plain(response, 403, '')
  else if (!Number.isInteger(seconds) || seconds < 1 || seconds > longestTtl) plain(response, 400, '')
  else {
    response.setHeader('x-aws-ec2-metadata-token-ttl-seconds', String(seconds))
    plain(response, 200, ctx.seal(JSON.stringify({ imds: instance.id, until: ctx.now().getTime() + seconds * 1000 })))
  }
}

const validToken = (ctx: Ctx, given: string, { id }: Instance): boolean => {
  try {
    const { imds, until } = JSON.parse(ctx.unseal(given)) as { imds?: string; until?: number }
    return imds === id && typeof until === 'number' && until > ctx.now().getTime()
  } catch {
    return false
  }
}

const find = async (node: Node, path: readonly string[]): Promise<string | undefined> => {
  const [name, ...rest] = path
  if (typeof node === 'function') return name === undefined ? node() : undefined
  if (node instanceof Lookup) {
    if (name === undefined) return (await node.names()).join('\n') || undefined
    const next = await node.value(name)
    return next ? find(next, rest) : undefined
  }
  if (name !== undefined) {
    const next = Object.hasOwn(node, name) ? node[name] : undefined
    return next ? find(next, rest) : undefined
  }
  const listed: string[] = []
  for (const [child, value] of Object.entries(node)) {
    if (typeof value !== 'function') listed.push(`${child}/`)
    else if ((await value()) !== undefined) listed.push(child)
  }
  return listed.length > 0 ? listed.join('\n') : undefined
}

const tree = (ctx: Ctx, instance: Instance, delivery: RoleDelivery): Node => {
  const dns = privateDns(instance, ctx.region)
  const groups = () =>
    ctx.read(async (tx) =>
      (await Promise.all(instance.groupIds.map((id) => tx.get(SecurityGroup, id))))
        .map((group) => group?.name ?? '')
        .join('\n'),
    )
  const meta: Node = {
    'ami-id': constant(instance.imageId),
    'ami-launch-index': constant(String(instance.launchIndex)),
    'ami-manifest-path': constant('(unknown)'),
    hostname: constant(dns),
    ...(instance.profile ? { iam: profileTree(ctx, instance, instance.profile, delivery) } : {}),
    'instance-action': constant('none'),
    'instance-id': constant(instance.id),
    'instance-life-cycle': constant('on-demand'),
    'instance-type': constant(instance.type),
    'local-hostname': constant(dns),
    'local-ipv4': constant(instance.privateIp),
    mac: constant(instance.mac),
    network: {
      interfaces: {
        macs: {
          [instance.mac]: {
            'device-number': constant('0'),
            'interface-id': constant(instance.networkInterfaceId),
            'local-hostname': constant(dns),
            'local-ipv4s': constant(instance.privateIp),
            mac: constant(instance.mac),
            'owner-id': constant(ctx.account),
            'public-ipv4s': constant(instance.publicIp),
            'security-group-ids': constant(instance.groupIds.join('\n')),
            'security-groups': groups,
            'subnet-id': constant(instance.subnetId),
            'subnet-ipv4-cidr-block': constant(instance.subnetCidr),
            'vpc-id': constant(instance.vpcId),
          },
        },
      },
    },
    placement: { 'availability-zone': constant(instance.zone), region: constant(ctx.region) },
    profile: constant('default-hvm'),
    'public-hostname': constant(publicDns(instance) || undefined),
    'public-ipv4': constant(instance.publicIp),
    ...(instance.keyName ? { 'public-keys': keyTree(ctx, instance.keyName) } : {}),
    'reservation-id': constant(instance.reservationId),
    'security-groups': groups,
    services: { domain: constant('amazonaws.com'), partition: constant('aws') },
    ...(instance.metadata.tags === 'enabled' ? { tags: { instance: tagTree(ctx, instance) } } : {}),
  }
  const latest: Node = {
    dynamic: { 'instance-identity': { document: constant(identityDocument(ctx, instance)) } },
    'meta-data': meta,
    'user-data': constant(
      instance.userData === undefined ? undefined : Buffer.from(instance.userData, 'base64').toString('utf8'),
    ),
  }
  return { '1.0': latest, '2021-03-23': latest, latest }
}

const tagTree = (ctx: Ctx, { id }: Instance): Node => {
  const tags = () => ctx.read((tx) => tagsOf(tx, id))
  return new Lookup(
    async () => Object.keys(await tags()),
    async (name) => {
      const all = await tags()
      return Object.hasOwn(all, name) ? constant(all[name]) : undefined
    },
  )
}

const profileTree = (
  ctx: Ctx,
  instance: Instance,
  profile: NonNullable<Instance['profile']>,
  delivery: RoleDelivery,
): Node => ({
  info: constant(profileDocument(ctx, profile)),
  'security-credentials': new Lookup(
    async () => {
      const role = await roleOf(ctx, instance)
      return role ? [roleName(role)] : []
    },
    async (name) => {
      const role = await roleOf(ctx, instance)
      return role && roleName(role) === name ? () => credentialsDocument(ctx, instance, role, delivery) : undefined
    },
  ),
})

const keyTree = (ctx: Ctx, name: string): Node => {
  const key = { 'openssh-key': () => ctx.read(async (tx) => (await tx.get(KeyPair, name))?.publicKey) }
  return new Lookup(
    async () => [`0=${name}`],
    async (index) => (index === '0' ? key : undefined),
  )
}

const identityDocument = (ctx: Ctx, instance: Instance): string =>
  JSON.stringify(
    {
      accountId: ctx.account,
      architecture: hostArchitecture(),
      availabilityZone: instance.zone,
      billingProducts: null,
      devpayProductCodes: null,
      imageId: instance.imageId,
      instanceId: instance.id,
      instanceType: instance.type,
      kernelId: null,
      marketplaceProductCodes: null,
      pendingTime: `${new Date(instance.launched).toISOString().slice(0, 19)}Z`,
      privateIp: instance.privateIp,
      ramdiskId: null,
      region: ctx.region,
      version: '2017-09-30',
    },
    null,
    2,
  )
