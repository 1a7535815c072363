import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { clients, root } from './clients.ts'
import { type Figure, median, shown } from './figure.ts'
import type { Program } from './programs.ts'
import { signed } from './sign.ts'

// A large object, there and back: one client, one connection, the body's SHA-256 signed, so that the server must hash it.

const size = 64 * 1024 * 1024

type Headers = Readonly<Record<string, string>>

const timed = (endpoint: string, method: string, path: string, headers: Headers, body?: Uint8Array): Promise<number> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const sent = request(
      endpoint + path,
      { method, headers: { ...headers, 'content-length': body?.byteLength ?? 0 } },
      (answer) => {
        let length = 0
        answer.on('data', (chunk: Buffer) => {
          length += chunk.length
        })
        answer.on('error', reject)
        answer.on('end', () => {
          if (answer.statusCode !== 200) reject(new Error(`${method} ${path} was answered ${answer.statusCode}`))
          else if (method === 'GET' && length !== size) reject(new Error(`${length} bytes came back`))
          else resolve(performance.now() - began)
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })

export const objects = async (ours: Program, bare: Program, peers: readonly Program[]): Promise<readonly Figure[]> => {
  const body = Buffer.alloc(size, 'drydock ')
  const payloadHash = createHash('sha256').update(body).digest('hex')
  const s3 = (program: Program, method: string) => {
    const plain = method === 'PUT' ? { method, path: '/large/object', payloadHash } : { method, path: '/large/object' }
    const { headers } = signed(program.endpoint, 's3', root, plain)
    return timed(program.endpoint, method, '/large/object', headers, method === 'PUT' ? body : undefined)
  }
  const copy = (method: string) =>
    timed(bare.endpoint, method, '/file', { 'x-size': String(size) }, method === 'PUT' ? body : undefined)
  for (const program of [ours, ...peers])
    await clients(program.endpoint).s3.send(new CreateBucketCommand({ Bucket: 'large' }))

  const figures: Figure[] = []
  for (const method of ['PUT', 'GET']) {
    const pairs: { ours: number; theirs: number }[] = []
    for (let i = 0; i < 6; i++) {
      const theirs = await copy(method)
      const pair = { ours: await s3(ours, method), theirs }
      // The first round warms up.
      if (i > 0) pairs.push(pair)
    }
    figures.push({
      name: `S3 ${method} 64 MiB`,
      against: `stream copy, ${bare.name}${method === 'PUT' ? ', MD5 and SHA-256' : ''}`,
      value: median(pairs.map(({ ours, theirs }) => theirs / ours)),
      unit: '×',
      aim: { atLeast: 0.8 },
      detail: `${shown(median(pairs.map((pair) => pair.ours)))} ms against ${shown(median(pairs.map((pair) => pair.theirs)))} ms`,
    })
    for (const peer of peers) {
      const theirs = await s3(peer, method)
      const mine = median(pairs.map((pair) => pair.ours))
      figures.push({
        name: `S3 ${method} 64 MiB`,
        against: peer.name,
        value: theirs / mine,
        unit: '×',
        detail: `${shown(mine)} ms against ${shown(theirs)} ms (once; moto keeps objects in memory)`,
      })
    }
  }
  return figures
}
