import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bundle } from '../fleet-bench.ts'
import { downloadBundle } from './bundle.ts'
import type { Host } from './host.ts'
import { layout } from './layout.ts'

test('a download is begun again whose server breaks off, before it answers or while it does', async () => {
  const archive = await bundle({ 'appspec.yml': 'version: 0.0\nos: linux\n' })
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    if (asked === 1) return void request.socket.destroy()
    response.writeHead(200, { 'content-length': archive.length })
    if (asked > 2) return void response.end(archive)
    response.write(archive.subarray(0, 10), () => request.socket.destroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const folder = await mkdtemp(join(tmpdir(), 'drydock-agent-'))
  const place = layout(folder)
  const host: Host = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    identifier: 'i-1',
    keys: async () => ({ accessKeyId: 'a', secretAccessKey: 's', expires: Number.POSITIVE_INFINITY }),
    forgetKeys: () => undefined,
  }
  try {
    await downloadBundle(host, place, {
      ...{ DeploymentId: 'd-1', DeploymentGroupId: 'g', DeploymentGroupName: 'g', ApplicationName: 'app' },
      ...{ DeploymentCreator: 'user', DeploymentType: 'IN_PLACE' },
      Revision: { RevisionType: 'S3', S3Revision: { Bucket: 'b', Key: 'one.zip', BundleType: 'zip' } },
      AgentActionOverrides: { AgentOverrides: { FileExistsBehavior: 'DISALLOW' } },
    })
    expect(asked).toBe(3)
    const unpacked = join(place.archive(place.deployment('g', 'd-1')), 'appspec.yml')
    expect(await readFile(unpacked, 'utf8')).toContain('os: linux')
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true, force: true })
  }
})
