// Lines of manifests and reports: fields between commas, quoted where they must be (RFC 4180). A pure engine.

/** The fields of one line, without its end; `undefined` where quotes do not close. */
export const parseLine = (line: string): string[] | undefined => {
  const fields: string[] = []
  let at = 0
  while (at <= line.length) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at)
      const end = comma < 0 ? line.length : comma
      fields.push(line.slice(at, end))
      at = end + 1
      continue
    }
    let text = ''
    at++
    for (;;) {
      const quote = line.indexOf('"', at)
      if (quote < 0) return undefined
      text += line.slice(at, quote)
      at = quote + 1
      if (line[at] !== '"') break
      text += '"'
      at++
    }
    if (at < line.length && line[at] !== ',') return undefined
    fields.push(text)
    at++
  }
  return fields
}

export const toLine = (fields: readonly (string | number | undefined)[]): string =>
  `${fields
    .map((field = '') => {
      const text = String(field)
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
    })
    .join(',')}\n`

/** Keys are URL-encoded, as in inventories: a space may be a plus sign. `undefined` for what is no encoding. */
export const decodeKey = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

export const encodeKey = (key: string): string => encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+')
