/** Keys may hold any character; U+0000 separates ours, so that and what escapes it are written in two. Keeps order and prefixes. */
export const sortable = (key: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  key.replace(/[\0\x01]/g, (character) => (character === '\0' ? '\x01\x01' : '\x01\x02'))

export const placeOf = (bucket: string, key: string): string => `${bucket}\0${sortable(key)}`
