import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { answer } from '../src/app.js'

const version = readFileSync(new URL('../VERSION', import.meta.url), 'utf8').trim()

test('the page names the version', () => {
  assert.match(answer('GET', '/', '7').body, /version <b>7<\/b>/)
})

test('the version is the plain text of the VERSION file', () => {
  assert.equal(answer('GET', '/version', '7').body, '7\n')
})

test('health tells the version that answers', () => {
  assert.deepEqual(JSON.parse(answer('GET', '/health', '7').body), { status: 'ok', version: '7' })
})

test('nothing else is there', () => {
  assert.equal(answer('GET', '/admin', '7').status, 404)
  assert.equal(answer('POST', '/', '7').status, 405)
})

test('the server answers over HTTP', async () => {
  const server = spawn(process.execPath, ['src/server.js'], { env: { ...process.env, PORT: '0' } })
  try {
    const [line] = await once(server.stdout, 'data')
    const port = /port (\d+)/.exec(line)[1]
    const response = await fetch(`http://127.0.0.1:${port}/version`)
    assert.equal(await response.text(), `${version}\n`)
  } finally {
    server.kill()
  }
})
