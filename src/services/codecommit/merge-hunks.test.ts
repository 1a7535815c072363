import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linesOf, mergeHunks } from './merge-hunks.ts'
import type { LineChange } from './object-merges.ts'

const lines = (text: string) => linesOf(Buffer.from(text))

/** What a change list makes of a base, each change bringing its own lines. */
const applied = (base: string[], changes: { start: number; end: number; lines: string[] }[]) => {
  const result: string[] = []
  const told: LineChange[] = []
  let at = 0
  for (const change of changes) {
    result.push(...base.slice(at, change.start))
    const newStart = result.length
    result.push(...change.lines)
    told.push({ start: change.start, end: change.end, newStart, newEnd: result.length })
    at = change.end
  }
  result.push(...base.slice(at))
  return { lines: result.map((line) => Buffer.from(`${line}\n`)), changes: told }
}

const text = (content: string | undefined) => Buffer.from(content ?? '', 'base64').toString('utf8')

describe('hunks of a merge', () => {
  it('are in conflict where both sides changed the same lines', () => {
    const base = ['a', 'b', 'c', 'd', 'e']
    const hunks = mergeHunks(
      lines('a\nb\nc\nd\ne\n'),
      applied(base, [{ start: 1, end: 2, lines: ['B', 'BB'] }]),
      applied(base, [
        { start: 1, end: 2, lines: ['x'] },
        { start: 4, end: 5, lines: [] },
      ]),
    )
    expect(hunks.map(({ isConflict }) => isConflict)).toEqual([true, false])
    expect(hunks[0]?.source).toMatchObject({ startLine: 1, endLine: 3 })
    expect(hunks[0]?.destination).toMatchObject({ startLine: 1, endLine: 2 })
    expect(text(hunks[0]?.source?.hunkContent)).toBe('B\nBB\n')
    expect(text(hunks[0]?.base?.hunkContent)).toBe('b\n')
    expect(hunks[1]).toMatchObject({
      source: { startLine: 5, endLine: 6 },
      destination: { startLine: 4, endLine: 4 },
      base: { startLine: 4, endLine: 5 },
    })
  })

  it('are none when both sides say the same, and conflict when they touch', () => {
    const base = ['a', 'b']
    const same = [{ start: 0, end: 1, lines: ['A'] }]
    const [agreed] = mergeHunks(lines('a\nb\n'), applied(base, same), applied(base, same))
    expect(agreed?.isConflict).toBe(false)
    const [touching, ...others] = mergeHunks(
      lines('a\nb\n'),
      applied(base, same),
      applied(base, [{ start: 1, end: 2, lines: ['B'] }]),
    )
    expect(others).toEqual([])
    expect(touching?.isConflict).toBe(true)
  })

  it('put one after the other with the base between them, are each version again', () => {
    const change = fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      length: fc.integer({ min: 0, max: 3 }),
      lines: fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), fc.array(change, { maxLength: 5 }), (left, right) => {
        const base = Array.from({ length: 30 }, (_, index) => `line ${index}`)
        const place = (changes: typeof left) => {
          let at = 0
          return changes.flatMap(({ gap, length, lines: own }) => {
            const start = at + gap
            // What changes nothing is no change.
            if (length + own.length === 0) return []
            at = start + length + 1
            return [{ start, end: start + length, lines: own }]
          })
        }
        const [source, destination] = [applied(base, place(left)), applied(base, place(right))]
        const hunks = mergeHunks(lines(base.map((line) => `${line}\n`).join('')), source, destination)
        for (const [name, version] of [['source', source] as const, ['destination', destination] as const]) {
          let whole = ''
          let at = 0
          for (const hunk of hunks) {
            const { startLine = 0, endLine = 0 } = hunk.base ?? {}
            whole +=
              base
                .slice(at, startLine)
                .map((line) => `${line}\n`)
                .join('') + text(hunk[name]?.hunkContent)
            at = endLine
          }
          whole += base
            .slice(at)
            .map((line) => `${line}\n`)
            .join('')
          expect(whole).toBe(Buffer.concat(version.lines).toString('utf8'))
        }
      }),
    )
  })
})
