import { randomInt } from 'node:crypto'
import { invalid, type Operation } from './operation.ts'

const lower = 'abcdefghijklmnopqrstuvwxyz'
const upper = lower.toUpperCase()
const digits = '0123456789'
const punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'

const pick = (alphabet: string): string => alphabet[randomInt(alphabet.length)] ?? ''

/** A random password: of the kinds of characters that are not excluded, one of each at least unless told otherwise. */
export const GetRandomPassword: Operation<'GetRandomPassword'> = (_, input) => {
  const length = input.PasswordLength ?? 32
  const excluded = new Set(input.ExcludeCharacters ?? '')
  const kinds = [
    ...(input.ExcludeLowercase ? [] : [lower]),
    ...(input.ExcludeUppercase ? [] : [upper]),
    ...(input.ExcludeNumbers ? [] : [digits]),
    ...(input.ExcludePunctuation ? [] : [punctuation]),
    ...(input.IncludeSpace ? [' '] : []),
  ].map((kind) => [...kind].filter((character) => !excluded.has(character)).join(''))
  const each = input.RequireEachIncludedType ?? true
  const all = kinds.join('')
  if (all === '') throw invalid('The password cannot be generated: every character is excluded.')
  if (each && kinds.includes(''))
    throw invalid(
      "Either turn off RequireEachIncludedType, or don't exclude all characters of a type that is included.",
    )
  if (each && length < kinds.length)
    throw invalid('Password length must be greater than or equal to the number of required types of characters.')
  const characters = each ? kinds.map(pick) : []
  while (characters.length < length) characters.push(pick(all))
  for (let last = characters.length - 1; last > 0; last--) {
    const other = randomInt(last + 1)
    const moved = characters[last] ?? ''
    characters[last] = characters[other] ?? ''
    characters[other] = moved
  }
  return { RandomPassword: characters.join('') }
}
