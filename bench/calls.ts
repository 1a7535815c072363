import { DescribeImagesCommand, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { clients, root, user } from './clients.ts'
import { attempt, type Figure, type Missing, median, shown } from './figure.ts'
import { cpuOf, load, type Program } from './programs.ts'
import { form, json, type Keys, type Plain, raw, signed } from './sign.ts'

// Small calls: the same requests, signed beforehand, replayed over 16 keep-alive connections, ours and the peers' in turn.

const connections = 16
const distinct = 300

type Side = { readonly program: Program; readonly requests: readonly string[] }
type Rate = { readonly perSecond: number; readonly cpu: number | undefined; readonly median: number }

const replay = async ({ program, requests }: Side, duration: number): Promise<Rate> => {
  const before = cpuOf(program.pid)
  const { answers, statuses, milliseconds, median } = await load(program.endpoint, { requests, connections, duration })
  const after = cpuOf(program.pid)
  const wrong = Object.entries(statuses).filter(([status]) => !status.startsWith('2'))
  if (wrong.length > 0 || answers === 0) throw new Error(`${program.name} answered ${JSON.stringify(statuses)}`)
  const cpu = before === undefined || after === undefined ? undefined : ((after - before) * 1000) / answers
  return { perSecond: (answers * 1000) / milliseconds, cpu, median }
}

/** Rates of both sides in turn, so that what else the machine does falls on both; warmed up first. */
const inTurn = async (ours: Side, theirs: Side, { rounds = 5, duration = 500 } = {}) => {
  await replay(ours, 6 * duration)
  await replay(theirs, Math.min(duration, 400))
  const pairs: { ours: Rate; theirs: Rate }[] = []
  for (let i = 0; i < rounds; i++)
    pairs.push({ ours: await replay(ours, duration), theirs: await replay(theirs, duration) })
  const of = (read: (pair: (typeof pairs)[number]) => number | undefined) =>
    median(pairs.map((pair) => read(pair) ?? Number.NaN))
  return {
    ratio: of(({ ours, theirs }) => ours.perSecond / theirs.perSecond),
    cpuRatio: of(({ ours, theirs }) => (theirs.cpu ?? Number.NaN) / (ours.cpu ?? Number.NaN)),
    detail: `${shown(of((p) => p.ours.perSecond))}/s (p50 ${shown(of((p) => p.ours.median))} ms, ${shown(of((p) => p.ours.cpu))} µs CPU) against ${shown(of((p) => p.theirs.perSecond))}/s (${shown(of((p) => p.theirs.cpu))} µs CPU)`,
  }
}

const requests = (
  program: Program,
  service: string,
  keys: Keys,
  plain: Plain | ((i: number) => Plain),
): readonly string[] =>
  Array.from({ length: distinct }, (_, i) => {
    const one = typeof plain === 'function' ? plain(i) : plain
    return raw(signed(program.endpoint, service, keys, { ...one, headers: { ...one.headers, 'x-bench': String(i) } }))
  })

/** Sends one request; returns the size of the answer, so that the bare server can give one as large. */
const answerSize = async (program: Program, service: string, keys: Keys, plain: Plain): Promise<number> => {
  const { method, url, headers, body } = signed(program.endpoint, service, keys, plain)
  const answer = await fetch(program.endpoint + url, {
    method,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'host')),
    ...(method === 'GET' ? {} : { body: new Uint8Array(body) }),
  })
  const bytes = await answer.arrayBuffer()
  if (!answer.ok)
    throw new Error(`${program.name} answered ${answer.status}: ${Buffer.from(bytes).toString().slice(0, 150)}`)
  return bytes.byteLength
}

type Case = {
  readonly name: string
  readonly service: string
  readonly plain: Plain | ((i: number) => Plain)
  readonly ratio?: Figure['aim']
  readonly peers: number
  readonly againstBare?: boolean
}

/** Small calls and small objects against bare `node:http` and against the peers. */
export const calls = async (
  ours: Program,
  bare: Program,
  peers: readonly Program[],
): Promise<readonly (Figure | Missing)[]> => {
  const keys = await user(clients(ours.endpoint))
  const small: Case[] = [
    {
      name: 'JSON call, ssm GetParameter',
      service: 'ssm',
      plain: json('AmazonSSM.GetParameter', { Name: '/bench/small' }),
      peers: 30,
    },
    {
      name: 'query call, sts GetCallerIdentity',
      service: 'sts',
      plain: form('GetCallerIdentity', '2011-06-15'),
      peers: 30,
    },
    {
      name: 'S3 PUT 1 KiB',
      service: 's3',
      plain: (i) => ({ method: 'PUT', path: `/bench/small-${i}`, body: Buffer.alloc(1024, 'x') }),
      peers: 12,
    },
    { name: 'S3 GET 1 KiB', service: 's3', plain: (i) => ({ method: 'GET', path: `/bench/small-${i}` }), peers: 30 },
    {
      name: 'query call, ec2 DescribeInstances of 100',
      service: 'ec2',
      plain: form('DescribeInstances', '2016-11-15'),
      peers: 100,
      againstBare: false,
    },
  ]
  const ready = new Map<Program, string>()
  const lines: (Figure | Missing)[] = []
  for (const { name, service, plain, peers: aim, againstBare = true } of small)
    lines.push(
      ...(await attempt(name, async () => {
        const figures: Figure[] = []
        await prepare(ours, service, ready)
        const side = { program: ours, requests: requests(ours, service, keys, plain) }
        const one = typeof plain === 'function' ? plain(0) : plain
        if (one.method === 'GET') await replay({ program: ours, requests: side.requests }, 100)
        const size = await answerSize(ours, service, keys, one)
        if (againstBare) {
          const theirs = requests(bare, service, keys, (i) => {
            const each = typeof plain === 'function' ? plain(i) : plain
            return { ...each, headers: { ...each.headers, 'x-answer': String(size) } }
          })
          const { ratio, cpuRatio, detail } = await inTurn(side, { program: bare, requests: theirs })
          const durable = name.includes('PUT')
          figures.push({
            name,
            against: bare.name,
            value: ratio,
            unit: '×',
            aim: { atLeast: durable ? 0.15 : 0.4 },
            detail,
          })
          if (!Number.isNaN(cpuRatio))
            figures.push({
              name: `${name}, by processor time`,
              against: bare.name,
              value: cpuRatio,
              unit: '×',
              detail: 'processor time per answer, theirs by ours',
            })
        }
        for (const peer of peers) {
          await prepare(peer, service, ready)
          const theirs = { program: peer, requests: requests(peer, service, root, plain) }
          if (one.method === 'GET') await answerSize(peer, service, root, one)
          const { ratio, detail } = await inTurn(side, theirs, { rounds: 2, duration: 500 })
          figures.push({ name, against: peer.name, value: ratio, unit: '×', aim: { atLeast: aim }, detail })
        }
        return figures
      })),
    )
  return lines
}

const prepare = async (program: Program, service: string, ready: Map<Program, string>): Promise<void> => {
  const done = ready.get(program) ?? ''
  if (done.includes(service)) return
  ready.set(program, `${done} ${service}`)
  const { ec2, s3 } = clients(program.endpoint)
  if (service === 'ssm') {
    const parameter = { Name: '/bench/small', Type: 'String', Value: 'a value of some length', Overwrite: true }
    await answerSize(program, service, root, json('AmazonSSM.PutParameter', parameter))
  }
  if (service === 's3') {
    await s3.send(new CreateBucketCommand({ Bucket: 'bench' }))
    const objects = Array.from({ length: distinct }, (_, i) =>
      raw(
        signed(program.endpoint, 's3', root, {
          method: 'PUT',
          path: `/bench/small-${i}`,
          body: Buffer.alloc(1024, 'x'),
        }),
      ),
    )
    await load(program.endpoint, { requests: objects, connections: 4, duration: 20_000, count: distinct })
  }
  if (service === 'ec2') {
    const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
    await ec2.send(
      new RunInstancesCommand({
        ImageId: Images?.[0]?.ImageId,
        InstanceType: 't3.micro',
        MinCount: 100,
        MaxCount: 100,
      }),
    )
  }
}
