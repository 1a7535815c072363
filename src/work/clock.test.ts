import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { manualClock, systemClock } from './clock.ts'

const START = Date.parse('2026-01-01T00:00:00Z')
const at = (milliseconds: number) => new Date(START + milliseconds)

describe('manual clock', () => {
  test('stands still, and fires on the way in order of time, then of setting', () => {
    const clock = manualClock(START)
    const fired: [string, number][] = []
    const set = (name: string, time: number) =>
      clock.at(at(time), () => void fired.push([name, clock.now().getTime() - START]))
    set('c', 30)
    set('a', 10)
    set('b1', 20)
    set('b2', 20)
    const cancel = set('never', 15)
    cancel()
    expect(clock.now()).toEqual(at(0))
    expect(clock.next()).toEqual(at(10))
    clock.advance(20)
    expect(fired).toEqual([
      ['a', 10],
      ['b1', 20],
      ['b2', 20],
    ])
    clock.advance(1_000)
    expect(fired.at(-1)).toEqual(['c', 30])
    expect(clock.now()).toEqual(at(1_020))
    expect(clock.next()).toBeUndefined()
    expect(() => clock.advance(-1)).toThrow(RangeError)
  })

  test('a timer set by a timer fires in the same advance', () => {
    const clock = manualClock(START)
    const fired: number[] = []
    const tick = () => {
      fired.push(clock.now().getTime() - START)
      clock.at(new Date(clock.now().getTime() + 10), tick)
    }
    clock.at(at(10), tick)
    clock.advance(35)
    expect(fired).toEqual([10, 20, 30])
  })

  test('a time that has passed fires soon, but not inside the call', async () => {
    const clock = manualClock(START)
    const fired: string[] = []
    clock.at(at(-5), () => fired.push('past'))
    clock.at(at(0), () => fired.push('cancelled'))()
    expect(fired).toEqual([])
    await Promise.resolve()
    expect(fired).toEqual(['past'])
  })
})

describe('system clock', () => {
  beforeEach(() => void vi.useFakeTimers({ now: START }))
  afterEach(() => void vi.useRealTimers())

  test('moves by itself, from its offset', () => {
    const clock = systemClock({ offset: 5_000 })
    expect(clock.now()).toEqual(at(5_000))
    vi.advanceTimersByTime(1_000)
    expect(clock.now()).toEqual(at(6_000))
  })

  test('advance raises the offset, tells it, and fires what falls due in order', () => {
    const told: number[] = []
    const fired: string[] = []
    const clock = systemClock({ onOffset: (offset) => told.push(offset) })
    clock.at(at(60_000), () => fired.push('b'))
    clock.at(at(30_000), () => fired.push('a'))
    clock.at(at(90_000), () => fired.push('c'))
    clock.advance(60_000)
    expect([fired, told, clock.offset]).toEqual([['a', 'b'], [60_000], 60_000])
    vi.advanceTimersByTime(30_000)
    expect(fired).toEqual(['a', 'b', 'c'])
  })

  test('a timer years away neither fires early nor is lost', () => {
    const fired: number[] = []
    const clock = systemClock()
    const year = 365 * 86_400_000
    clock.at(at(year), () => fired.push(clock.now().getTime() - START))
    vi.advanceTimersByTime(year - 1)
    expect(fired).toEqual([])
    vi.advanceTimersByTime(1)
    expect(fired).toEqual([year])
  })

  test('one timer of the system, however many are set, and none when all are cancelled', () => {
    const clock = systemClock()
    const cancels = Array.from({ length: 1_000 }, (_, i) => clock.at(at(i * 10 + 10), () => {}))
    expect(vi.getTimerCount()).toBe(1)
    for (const cancel of cancels) cancel()
    vi.advanceTimersByTime(20)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a timer that throws does not hold up the others', () => {
    const fired: string[] = []
    const clock = systemClock()
    clock.at(at(10), () => {
      throw new Error('broken')
    })
    clock.at(at(10), () => fired.push('next'))
    expect(() => vi.advanceTimersByTime(10)).toThrow('broken')
    vi.advanceTimersByTime(1)
    expect(fired).toEqual(['next'])
  })
})
