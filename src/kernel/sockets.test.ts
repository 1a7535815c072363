import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../test/story.ts'

let drydock: Story
beforeAll(async () => {
  drydock = await story()
})
afterAll(() => drydock.close())

/** The first line of what is answered. */
const ask = (head: string): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(drydock.endpoint)
    const socket = connect(Number(port), hostname, () => socket.write(`${head}\r\nhost: ${hostname}:${port}\r\n\r\n`))
    socket.once('error', reject)
    socket.once('data', (chunk) => {
      resolve(String(chunk).split('\r\n')[0])
      socket.destroy()
    })
  })

const channel = '/_drydock/ssm/v1/data-channel/one'
const handshake = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13'

test.each([
  ['a client that would rather speak HTTP/2', 'GET /_drydock/health', 'connection: upgrade\r\nupgrade: h2c', 200],
  ['a WebSocket where there is no door for one', 'GET /_drydock/health', `${handshake}\r\nsec-websocket-key: x`, 200],
  ['a WebSocket by its door', `GET ${channel}`, `${handshake}\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==`, 101],
  ['a handshake without a key', `GET ${channel}`, handshake, 400],
  [
    'a handshake that is no GET',
    `DELETE ${channel}`,
    `${handshake}\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==`,
    403,
  ],
])('%s', async (_, request, headers, status) => {
  expect(await ask(`${request} HTTP/1.1\r\n${headers}`)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})
