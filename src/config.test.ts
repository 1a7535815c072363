import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

test('hosts of the user’s own: where they lead, and who vouches for them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-config-'))
  try {
    writeFileSync(join(folder, 'ca.pem'), 'authority')
    writeFileSync(join(folder, 'drydock.yaml'), 'hosts: { xks.example.com: { port: 8443, ca: ca.pem } }')
    const { hosts } = await readConfig({}, {}, folder)
    expect([...hosts]).toEqual([['xks.example.com', { address: '127.0.0.1', port: 8443, ca: 'authority' }]])
    await expect(readConfig({ hosts: { 'a.example.com': { ca: 'none.pem' } } }, {}, folder)).rejects.toThrow(
      /^bad value for hosts: there is no .*none\.pem for a\.example\.com$/,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
