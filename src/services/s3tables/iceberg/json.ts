// JSON as Iceberg has it: snapshot ids are whole numbers of 64 bits, which JavaScript's numbers do not hold.

/** Beyond this nothing of Iceberg's nests, and readers that call themselves run out of stack. */
const deepest = 100

const depthOf = (text: string): number => {
  let depth = 0
  let most = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '[' || token === '{') most = Math.max(most, ++depth)
    if (token === ']' || token === '}') depth--
  }
  return most
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source: string }) => unknown
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/** Whole numbers that a number does not hold come as bigints. Throws SyntaxError. */
export const parseJson = (text: string): unknown => {
  if (depthOf(text) > deepest) throw new SyntaxError('The JSON is nested too deeply.')
  return parse(text, (_, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value,
  )
}

export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? rawJSON(String(each)) : each))
