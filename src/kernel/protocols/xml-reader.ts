import { AwsError } from '../errors.ts'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { perShape } from '../model/shapes.ts'
import { fromBase64, setKey } from './json.ts'
import { parseTimestamp } from './timestamps.ts'

// XML bodies of restXml requests. A reader for exactly what API requests need: elements, attributes, text, CDATA,
// comments, the five named entities and character references. A document type is refused, so there are no entities to
// expand; depth is limited.

export type XmlNode = {
  /** Without namespace prefix. */
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: XmlNode[]
  text: string
}

const maxDepth = 64

export const malformedXml = (): AwsError =>
  new AwsError(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
    { status: 400 },
  )

const nameToken = /[^\s/>=<&"']+/y
const attributeToken = /\s+([^\s/>=<&"']+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y
const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const decode = (text: string): string =>
  text.includes('&')
    ? text.replace(/&([^;&]{0,12})(;?)/g, (_, name: string, end: string) => {
        if (!end) throw malformedXml()
        const entity = Object.hasOwn(named, name) ? named[name] : undefined
        if (entity !== undefined) return entity
        const code = /^#x[0-9a-fA-F]{1,6}$/.test(name)
          ? Number.parseInt(name.slice(2), 16)
          : /^#\d{1,7}$/.test(name)
            ? Number(name.slice(1))
            : Number.NaN
        if (!(code > 0 && code <= 0x10ffff)) throw malformedXml()
        return String.fromCodePoint(code)
      })
    : text

const local = (name: string): string => name.slice(name.indexOf(':') + 1)

/** The root element of a document; throws MalformedXML. */
export const parseXml = (source: string): XmlNode => {
  let at = source.charCodeAt(0) === 0xfeff ? 1 : 0
  const open: XmlNode[] = []
  const openNames: string[] = []
  let root: XmlNode | undefined

  const past = (end: string, from: number): number => {
    const found = source.indexOf(end, from)
    if (found < 0) throw malformedXml()
    return found + end.length
  }

  while (at < source.length) {
    const parent = open.at(-1)
    const next = source.indexOf('<', at)
    const text = source.slice(at, next < 0 ? undefined : next)
    if (parent) parent.text += decode(text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text)
    else if (text.trim() !== '') throw malformedXml()
    if (next < 0) break
    at = next
    if (source.startsWith('<!--', at)) at = past('-->', at + 4)
    else if (source.startsWith('<?', at)) at = past('?>', at + 2)
    else if (source.startsWith('<![CDATA[', at)) {
      if (!parent) throw malformedXml()
      const end = past(']]>', at + 9)
      parent.text += source.slice(at + 9, end - 3)
      at = end
    } else if (source.startsWith('</', at)) {
      const end = past('>', at)
      if (!parent || source.slice(at + 2, end - 1).trimEnd() !== openNames.pop()) throw malformedXml()
      open.pop()
      at = end
    } else {
      nameToken.lastIndex = at + 1
      const name = nameToken.exec(source)?.[0]
      // `<!DOCTYPE` and anything else that is no element ends here.
      if (!name || name.startsWith('!') || open.length >= maxDepth || (root && !parent)) throw malformedXml()
      at += 1 + name.length
      const attributes: Record<string, string> = {}
      for (;;) {
        attributeToken.lastIndex = at
        const found = attributeToken.exec(source)
        if (!found) break
        at = attributeToken.lastIndex
        const key = found[1] ?? ''
        if (key !== 'xmlns' && !key.startsWith('xmlns:')) setKey(attributes, key, decode(found[2] ?? found[3] ?? ''))
      }
      const rest = /\s*(\/?)>/y
      rest.lastIndex = at
      const end = rest.exec(source)
      if (!end) throw malformedXml()
      at = rest.lastIndex
      const node: XmlNode = { name: local(name), attributes, children: [], text: '' }
      if (parent) parent.children.push(node)
      else root = node
      if (!end[1]) {
        open.push(node)
        openNames.push(name)
      }
    }
  }
  if (!root || open.length > 0) throw malformedXml()
  return root
}

/** A scalar from text, as XML, queries, labels and headers hold it; undefined when the text is none of its kind. */
export const scalarFromText = (shape: Shape, text: string): unknown => {
  switch (shape.kind) {
    case 'number': {
      if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return Number(text)
      return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined
    }
    case 'boolean': {
      const lower = text.toLowerCase()
      return lower === 'true' ? true : lower === 'false' ? false : undefined
    }
    case 'timestamp':
      return parseTimestamp(text)
    case 'blob':
      return fromBase64(text)
    default:
      return text
  }
}

type ReadNode = (node: XmlNode) => unknown

const readNode = perShape<[node: XmlNode], unknown>((shape: Shape): ReadNode => {
  switch (shape.kind) {
    case 'structure': {
      let elements: Map<string, Member> | undefined
      let attributes: readonly Member[] = []
      return (node) => {
        if (!elements) {
          attributes = shape.members.filter(({ traits }) => traits.xmlAttribute)
          elements = new Map(
            shape.members
              .filter(({ traits }) => !traits.xmlAttribute)
              .map((member) => [member.own.xmlName ?? member.name, member]),
          )
        }
        const structure: Record<string, unknown> = {}
        for (const { name, traits, shape: target } of attributes) {
          const text = attribute(node, traits.xmlName ?? name)
          if (text !== undefined) structure[name] = scalar(target, text.trim())
        }
        const flat = new Map<Member, XmlNode[]>()
        for (const child of node.children) {
          const member = elements.get(child.name)
          if (!member) continue
          if (member.traits.xmlFlattened) {
            const same = flat.get(member)
            if (same) same.push(child)
            else flat.set(member, [child])
          } else structure[member.name] = readNode(member.shape)(child)
        }
        for (const [member, nodes] of flat)
          structure[member.name] =
            member.shape.kind === 'list'
              ? nodes.map(readNode(member.shape.member.shape))
              : member.shape.kind === 'map'
                ? readEntries(member.shape, nodes)
                : readNode(member.shape)(nodes[0]!)
        return structure
      }
    }
    case 'list': {
      const itemName = shape.member.traits.xmlName ?? 'member'
      return (node) => {
        const read = readNode(shape.member.shape)
        return node.children.filter(({ name }) => name === itemName).map(read)
      }
    }
    case 'map':
      return (node) =>
        readEntries(
          shape,
          node.children.filter(({ name }) => name === 'entry'),
        )
    default:
      return (node) => {
        if (node.children.length > 0) throw malformedXml()
        return scalar(shape, node.text)
      }
  }
})

/** Attributes may come under another prefix than the model's (`xsi:type`). */
const attribute = (node: XmlNode, name: string): string | undefined => {
  if (Object.hasOwn(node.attributes, name)) return node.attributes[name]
  const found = Object.keys(node.attributes).find((key) => local(key) === local(name))
  return found === undefined ? undefined : node.attributes[found]
}

const readEntries = (shape: Shape & { kind: 'map' }, entries: readonly XmlNode[]): Record<string, unknown> => {
  const keyName = shape.key.traits.xmlName ?? 'key'
  const valueName = shape.value.traits.xmlName ?? 'value'
  const map: Record<string, unknown> = {}
  for (const entry of entries) {
    const key = entry.children.find(({ name }) => name === keyName)
    const value = entry.children.find(({ name }) => name === valueName)
    if (!key || !value) throw malformedXml()
    setKey(map, key.text, readNode(shape.value.shape)(value))
  }
  return map
}

const scalar = (shape: Shape, text: string): unknown => {
  const value = scalarFromText(shape, shape.kind === 'string' ? text : text.trim())
  if (value === undefined) throw malformedXml()
  return value
}

/** A structure from its element. */
export const readXml = (shape: StructureShape, node: XmlNode): Record<string, unknown> =>
  readNode(shape)(node) as Record<string, unknown>
