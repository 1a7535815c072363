import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'

// What Node itself can do, as a process of its own: `node:http` that reads a request's body and gives a constant
// answer of the size asked for; for `/file`, a stream copy to or from the folder with the hashes an S3 upload has.

const [folder = '.'] = process.argv.slice(2)
const file = join(folder, 'bare-file')
const answers = new Map<string, Buffer>()

const server = createServer(async (request, response) => {
  if (request.url === '/file' && request.method === 'PUT') {
    const md5 = createHash('md5')
    const sha256 = createHash('sha256')
    const through = new PassThrough()
    through.on('data', (chunk: Buffer) => {
      md5.update(chunk)
      sha256.update(chunk)
    })
    await pipeline(request, through, createWriteStream(file, { flush: true }))
    response.writeHead(200, { etag: md5.digest('hex'), 'x-hash': sha256.digest('hex'), 'content-length': 0 }).end()
    return
  }
  if (request.url === '/file') {
    response.writeHead(200, { 'content-length': String(request.headers['x-size']) })
    await pipeline(createReadStream(file), response)
    return
  }
  const size = String(request.headers['x-answer'] ?? '2')
  let body = answers.get(size)
  if (!body) {
    body = Buffer.alloc(Number(size), 'x')
    answers.set(size, body)
  }
  request.resume()
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': body.length })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => console.log(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}`))
