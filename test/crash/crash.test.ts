import { expect, test } from 'vitest'
import { crash } from './harness.ts'

// The short form; `npm run test:crash -- --rounds N --seed S` is the long one.
const seed = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31))

test('a server killed 25 times at random loses nothing it acknowledged, and ends what was under way', async () => {
  console.log(`crash seed ${seed}`)
  const { kills, acts, wrong } = await crash({ rounds: 25, seed, longest: 450 })
  expect(wrong, `seed ${seed}`).toEqual([])
  expect(kills).toBe(25)
  for (const [name, count] of Object.entries(acts)) expect(count, name).toBeGreaterThan(0)
}, 300_000)
