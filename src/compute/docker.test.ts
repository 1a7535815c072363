import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { CASES, runCase } from './contract.ts'
import { dockerDriver } from './docker.ts'

/** A registry with one image of one empty layer ("HTTP API V2"), for those who send this header. */
const privateRegistry = async (authorization: string) => {
  const layer = gzipSync(Buffer.alloc(1024))
  const digest = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', config: {} },
      rootfs: { type: 'layers', diff_ids: [digest(Buffer.alloc(1024))] },
    }),
  )
  const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
  const blob = (mediaType: string, bytes: Buffer) => ({ mediaType, size: bytes.length, digest: digest(bytes) })
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: manifestType },
      config: blob('application/vnd.docker.container.image.v1+json', config),
      layers: [blob('application/vnd.docker.image.rootfs.diff.tar.gzip', layer)],
    }),
  )
  const server = createServer((request, response) => {
    const known = request.headers.authorization === authorization
    const asked = [layer, config].find((one) => request.url?.endsWith(digest(one)))
    const sent = asked ?? (request.url?.includes('/manifests/') ? manifest : Buffer.from('{}'))
    if (known)
      response.writeHead(200, {
        'content-type': sent === manifest ? manifestType : 'application/octet-stream',
        'content-length': sent.length,
        'docker-content-digest': digest(sent),
      })
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' })
    response.end(known && request.method !== 'HEAD' ? sent : undefined)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise<unknown>((done) => server.close(done)),
  }
}

describe('docker', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'dd-'))
  afterAll(() => rm(scratch, { recursive: true, force: true }))
  const make = (folder: string) =>
    dockerDriver({ folder, endpoint: () => 'http://127.0.0.1:4566', host: process.env.DOCKER_HOST })
  const { available, notes } = await make(scratch).probe()
  if (!available) console.log(`skipped: the contract on docker: ${notes.join(' ')}`)

  test.runIf(available).for(CASES.map((one) => [one.name, one] as const))(
    '%s',
    { timeout: 60_000 },
    async ([, one], { skip }) => {
      const lacks = await runCase(one, { scratch, image: { host: true }, make })
      if (lacks !== undefined) console.log(`skipped on docker: ${one.name}: ${lacks}`)
      skip(lacks !== undefined, lacks)
    },
  )
  test.runIf(available)('an image of a registry that asks for credentials is had with them only', async () => {
    const [user, password] = ['ana', 'secret']
    const registry = await privateRegistry(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`)
    const image = { docker: `${registry.host}/team/tools:1` }
    const driver = make(scratch)
    try {
      const denied = { code: 'image', message: /could not be pulled/ }
      await expect(driver.fetch?.(image)).rejects.toMatchObject(denied)
      await expect(driver.fetch?.(image, { username: user, password: 'wrong' })).rejects.toMatchObject(denied)
      await driver.fetch?.(image, { username: user, password })
      // It is there now: still the registry is asked.
      await expect(driver.fetch?.(image, { username: user, password: 'wrong' })).rejects.toMatchObject(denied)
    } finally {
      await registry.close()
    }
  })
  test('the probe says what it found', () => expect(notes.join(' ')).toMatch(/engine|Containers/))
})
