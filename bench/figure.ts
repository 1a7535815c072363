/** One line of the table. */
export type Figure = {
  readonly name: string
  /** What it is held against: a peer with its version, or a limit measured in the same run. */
  readonly against: string
  /** The measured quotient, or an absolute value where the aim is one. */
  readonly value: number
  readonly unit: '×' | 'ms' | 'MiB' | '%' | 'KiB each'
  /** The aim as `quality.md` of the design states it; absent where it states none. */
  readonly aim?: { readonly atLeast: number } | { readonly atMost: number }
  /** The absolute values behind it, for people. */
  readonly detail: string
}

/** A figure that this machine or this state of the project cannot give, and why. */
export type Missing = { readonly name: string; readonly missing: string }

export const isMissing = (line: Figure | Missing): line is Missing => 'missing' in line

export const met = ({ value, aim }: Figure): boolean | undefined =>
  aim && ('atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost)

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

export const shown = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)

/** Measures; a failure becomes a line that says so, never a figure that is wrong. */
export const attempt = async (
  name: string,
  body: () => Promise<readonly (Figure | Missing)[]>,
): Promise<readonly (Figure | Missing)[]> => {
  try {
    return await body()
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return [{ name, missing: first.slice(0, 200) }]
  }
}
