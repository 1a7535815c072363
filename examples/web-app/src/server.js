import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { answer } from './app.js'

const version = readFileSync(new URL('../VERSION', import.meta.url), 'utf8').trim()
const port = Number(process.env.PORT ?? 8080)

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const { status, type, body } = answer(request.method, pathname, version)
  response.writeHead(status, { 'content-type': type })
  response.end(body)
})

server.listen(port, () => console.log(`version ${version} listens on port ${server.address().port}`))

process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeAllConnections()
})
