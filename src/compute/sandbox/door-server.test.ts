import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { doorServer } from './door-server.ts'

test('connections that say nothing more are cut with the others', async () => {
  const door = doorServer((_, response) => void response.end('here'))
  const listener = createServer((socket) => door.take(socket)).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nhost: door\r\n\r\n')
  const [answer] = await once(client, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 /)
  door.cut()
  await once(client, 'close')
  await new Promise((closed) => listener.close(closed))
})
