// Where two versions of a text part from their base, side by side: pure.

import type { MergeHunk } from '@aws-sdk/client-codecommit'
import type { LineChange } from './object-merges.ts'

/** A text's lines with their ends. */
export const linesOf = (text: Buffer): Buffer[] => {
  const lines: Buffer[] = []
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf(10, start)
    lines.push(text.subarray(start, end < 0 ? text.length : end + 1))
    start = end < 0 ? text.length : end + 1
  }
  return lines
}

export type Version = { readonly lines: readonly Buffer[]; readonly changes: readonly LineChange[] }

type Range = { start: number; end: number }

/**
 * The places that differ from the base on either side, in order. Changes that overlap or touch are one hunk, and in
 * conflict unless both sides say the same, as when git merges. Lines count from 0, ends are exclusive.
 */
export const mergeHunks = (base: readonly Buffer[], source: Version, destination: Version): MergeHunk[] => {
  const sides = { source: { ...source, next: 0, shift: 0 }, destination: { ...destination, next: 0, shift: 0 } }
  const both = [sides.source, sides.destination] as const
  const hunks: MergeHunk[] = []
  for (;;) {
    const starts = both.map(({ changes, next }) => changes[next]?.start ?? Number.POSITIVE_INFINITY)
    const start = Math.min(...starts)
    if (!Number.isFinite(start)) return hunks
    const range: Range = { start, end: start }
    const before = both.map(({ shift }) => shift)
    const first = both.map(({ next }) => next)
    // What one side changed may draw in a change of the other, and that one the next.
    for (let grown = true; grown; ) {
      grown = false
      for (const side of both) {
        const change = side.changes[side.next]
        if (!change || change.start > range.end) continue
        range.end = Math.max(range.end, change.end)
        side.shift = change.newEnd - change.end
        side.next++
        grown = true
      }
    }
    const [ofSource, ofDestination] = both.map((side, index) =>
      slice(side.lines, { start: range.start + (before[index] ?? 0), end: range.end + side.shift }),
    )
    const changed = both.every((side, index) => side.next > (first[index] ?? 0))
    hunks.push({
      isConflict: changed && ofSource?.hunkContent !== ofDestination?.hunkContent,
      source: ofSource,
      destination: ofDestination,
      base: slice(base, range),
    })
  }
}

const slice = (lines: readonly Buffer[], { start, end }: Range) => ({
  startLine: start,
  endLine: end,
  hunkContent: Buffer.concat(lines.slice(start, end)).toString('base64'),
})

/** A file that conflicts as a whole: all of each version. */
export const wholeHunk = (versions: {
  base?: Buffer | undefined
  source?: Buffer | undefined
  destination?: Buffer | undefined
}): MergeHunk => {
  const whole = (text: Buffer | undefined) => {
    const lines = text && linesOf(text)
    return lines && slice(lines, { start: 0, end: lines.length })
  }
  return {
    isConflict: true,
    source: whole(versions.source),
    destination: whole(versions.destination),
    base: whole(versions.base),
  }
}
