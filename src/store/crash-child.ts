// Run by crash.test.ts, and killed by it: writes rows, entries and blobs to the folder given as argument and says, after
// each was acknowledged, which one it was.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { fsBlobs } from '../blobs/fs.ts'
import { sqliteAppend } from './append-sqlite.ts'
import { Acknowledged } from './crash-table.ts'
import { sqliteStore } from './sqlite.ts'

const [, , folder = '', round = ''] = process.argv
const place = { account: '111111111111', region: 'eu-west-1' }
const store = sqliteStore({ folder, now: () => new Date() })
const append = sqliteAppend({ folder })
const blobs = fsBlobs(join(folder, 'blobs'))

const writer = async (lane: number) => {
  for (let i = 0; ; i++) {
    const name = `${round}-${lane}-${i}`
    const blob = await blobs.put(Buffer.from(name.repeat(1 + (i % 200))))
    const position = await append.append(`lane-${lane}`, [{ time: i, body: name }])
    await store.write(place, async (tx) => {
      const count = (await tx.get(Acknowledged, 'count'))?.position ?? 0
      tx.put(Acknowledged, { name: 'count', blob: '', position: count + 1 })
      tx.put(Acknowledged, { name, blob, position })
      tx.wake('r', name)
    })
    writeSync(1, `${name}\n`)
  }
}
await Promise.all([1, 2, 3, 4].map(writer))
