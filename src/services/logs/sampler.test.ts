import { expect, test } from 'vitest'
import { sampler } from './sampler.ts'

test.each([
  [0, 0, false],
  [1, 1, false],
  [500, 500, false],
  [501, 500, true],
  [999, 500, true],
  [1_000, 500, true],
  [1_001, 500, true],
  [123_456, 500, true],
])('%i items give %i, sampled: %s', (count, length, sampled) => {
  const events = sampler<number>(500)
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < count; i++) events.add(i)
    const taken = events.take()
    expect(taken.sampled).toBe(sampled)
    expect(taken.items).toHaveLength(length)
    expect(taken.items).toEqual(taken.items.toSorted((a, b) => a - b))
    expect(new Set(taken.items).size).toBe(taken.items.length)
    if (sampled)
      for (const quarter of [0, 1, 2, 3])
        expect(taken.items.filter((item) => Math.floor((item * 4) / count) === quarter).length).toBeGreaterThan(100)
  }
})
