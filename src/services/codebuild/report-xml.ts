// XML that a build wrote. Nothing is fetched and nothing grows: document types are passed over unread and one with
// declarations in it is refused, so there are no entities but XML's own; depth and number of elements are bounded.

/** What is wrong with a report file. */
export class ReportError extends Error {}

export type XmlElement = {
  /** Without its namespace prefix. */
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
  /** Its own character data, outside of children. */
  readonly text: string
}

const depthLimit = 100
const elementLimit = 1_000_000

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const decoded = (text: string): string =>
  text.includes('&')
    ? text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (whole, decimal, hexadecimal, name) => {
        if (name !== undefined) {
          const character = named[String(name)]
          if (character === undefined) throw new ReportError(`the entity ${whole} is not defined`)
          return character
        }
        const code = decimal === undefined ? Number.parseInt(String(hexadecimal), 16) : Number(decimal)
        return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
      })
    : text

const localName = (name: string) => name.slice(name.indexOf(':') + 1)

/** The end of a tag that begins at `from`: a `>` outside of quotes. */
const tagEnd = (text: string, from: number): number => {
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const character = text[at] ?? ''
    if (quote) {
      if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '>') return at
  }
  return -1
}

const attributesOf = (tag: string): Map<string, string> => {
  const found = new Map<string, string>()
  for (const [, name = '', double, single] of tag.matchAll(/([^\s=/"'<>]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g))
    found.set(localName(name), decoded(double ?? single ?? ''))
  return found
}

/**
 * Reads a document into its root element.
 * @throws ReportError for what is not well-formed, too deep or too large, or declares entities.
 */
export const readXml = (source: string): XmlElement => {
  const text = source.replace(/^\ufeff/, '')
  type Open = { name: string; full: string; attributes: Map<string, string>; children: XmlElement[]; text: string[] }
  const open: Open[] = []
  let root: XmlElement | undefined
  let count = 0
  let at = 0
  const close = (element: Open) => {
    const done = { ...element, text: element.text.join('') }
    const parent = open.at(-1)
    if (parent) parent.children.push(done)
    else if (root) throw new ReportError('there is more than one root element')
    else root = done
  }
  const skip = (end: string): number => {
    const found = text.indexOf(end, at)
    if (found < 0) throw new ReportError('the document ends too early')
    return found
  }
  while (at < text.length) {
    const less = text.indexOf('<', at)
    const between = text.slice(at, less < 0 ? text.length : less)
    if (between !== '') {
      const inside = open.at(-1)
      if (inside) inside.text.push(decoded(between))
      else if (between.trim() !== '') throw new ReportError('there is text outside of the root element')
    }
    if (less < 0) break
    at = less
    if (text.startsWith('<!--', at)) at = skip('-->') + 3
    else if (text.startsWith('<![CDATA[', at)) {
      const end = skip(']]>')
      open.at(-1)?.text.push(text.slice(at + 9, end))
      at = end + 3
    } else if (text.startsWith('<?', at)) at = skip('?>') + 2
    else if (text.startsWith('<!', at)) {
      const end = tagEnd(text, at)
      const declaration = text.slice(at, end < 0 ? text.length : end)
      if (end < 0 || declaration.includes('[')) throw new ReportError('the document declares its own entities')
      at = end + 1
    } else if (text.startsWith('</', at)) {
      const end = skip('>')
      const element = open.pop()
      if (element?.full !== text.slice(at + 2, end).trim()) throw new ReportError('an end tag has no start tag')
      close(element)
      at = end + 1
    } else {
      const end = tagEnd(text, at)
      if (end < 0) throw new ReportError('the document ends too early')
      const tag = text.slice(at + 1, end)
      const full = /^[^\s/]+/.exec(tag)?.[0] ?? ''
      if (full === '') throw new ReportError('a tag has no name')
      if (++count > elementLimit) throw new ReportError(`the document has more than ${elementLimit} elements`)
      if (open.length >= depthLimit) throw new ReportError('the document is nested too deeply')
      const name = localName(full)
      const element: Open = { name, full, attributes: attributesOf(tag.slice(full.length)), children: [], text: [] }
      if (tag.endsWith('/')) close(element)
      else open.push(element)
      at = end + 1
    }
  }
  if (open.length > 0 || !root) throw new ReportError('the document ends too early')
  return root
}

export const childrenNamed = (element: XmlElement, name: string): XmlElement[] =>
  element.children.filter((child) => child.name === name)

export const childNamed = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((child) => child.name === name)

/** Every element of this name below one, in the order of the document. */
export const allNamed = (element: XmlElement, name: string, into: XmlElement[] = []): XmlElement[] => {
  for (const child of element.children) {
    if (child.name === name) into.push(child)
    allNamed(child, name, into)
  }
  return into
}

export const attribute = (element: XmlElement | undefined, name: string): string | undefined =>
  element?.attributes.get(name)

/** A number that is one and not negative, else 0. */
export const numberOf = (text: string | undefined): number => {
  const value = Number(text?.replaceAll(',', ''))
  return Number.isFinite(value) && value > 0 ? value : 0
}
