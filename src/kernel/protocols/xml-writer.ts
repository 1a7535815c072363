import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { perShape } from '../model/shapes.ts'
import { toBase64 } from './json.ts'
import { formatTimestamp } from './timestamps.ts'

// XML bodies of query, ec2Query and restXml answers, compiled per shape into functions that join strings.

// What is not plain content: the characters of markup, control characters but tab and line feed, and the line breaks
// that a reader would take for others. Said by what is plain, which is much faster to test.
const special = /[^\t\n !#-%'-;=?-\u0084\u0086-\u2027\u2029-\ufffd]/
const specials = new RegExp(special, 'g')
const attributeSpecials = /[^ !#-%'-;=?-\u0084\u0086-\u2027\u2029-\ufffd]/g

const reference = (character: string): string => {
  switch (character) {
    case '&':
      return '&amp;'
    case '<':
      return '&lt;'
    case '>':
      return '&gt;'
    case '"':
      return '&quot;'
    default:
      return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`
  }
}

export const escapeXml = (text: string): string => (special.test(text) ? text.replace(specials, reference) : text)

/** Line breaks too, which a reader would otherwise turn into spaces. */
const escapeAttribute = (text: string): string => text.replace(attributeSpecials, reference)

type Text = (value: unknown) => string

/** A scalar as text, in the form of element content. */
const textOf = (shape: Shape): Text => {
  switch (shape.kind) {
    case 'timestamp': {
      const format = shape.format === 'default' ? 'date-time' : shape.format
      return (value) => {
        if (!(value instanceof Date) || Number.isNaN(value.getTime()))
          throw new TypeError('A timestamp member holds no valid Date.')
        return formatTimestamp(value, format)
      }
    }
    case 'blob':
      return toBase64
    default:
      return String
  }
}

/** Writes a value as one or more elements of the given name. */
type Element = (value: unknown) => string
type Structure = (value: unknown) => string

const xmlns = (member: Member): string => {
  const [prefix, uri] = member.traits.xmlNamespace ?? []
  return uri ? ` xmlns${prefix ? `:${prefix}` : ''}="${escapeAttribute(uri)}"` : ''
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null

const element = (member: Member, name: string): Element => {
  const { shape } = member
  const namespace = xmlns(member)
  const close = `</${name}>`
  switch (shape.kind) {
    case 'structure': {
      const write = contentOf(shape)
      const attributes = attributesOf(shape)
      const open = `<${name}${namespace}`
      return (value) => `${open}${attributes(value)}>${write(value)}${close}`
    }
    case 'list': {
      const flat = member.traits.xmlFlattened === 1
      const itemName = flat ? name : (shape.member.traits.xmlName ?? 'member')
      let item: Element | undefined
      const items = (value: unknown): string => {
        item ??= element(shape.member, itemName)
        let text = ''
        for (const one of value as Iterable<unknown>) if (isPresent(one)) text += item(one)
        return text
      }
      return flat ? items : (value) => `<${name}${namespace}>${items(value)}${close}`
    }
    case 'map': {
      const flat = member.traits.xmlFlattened === 1
      const entry = flat ? name : 'entry'
      const keyName = shape.key.traits.xmlName ?? 'key'
      let write: Element | undefined
      const entries = (value: unknown): string => {
        write ??= element(shape.value, shape.value.traits.xmlName ?? 'value')
        let text = ''
        for (const [key, one] of Object.entries(value as object))
          if (isPresent(one)) text += `<${entry}><${keyName}>${escapeXml(key)}</${keyName}>${write(one)}</${entry}>`
        return text
      }
      return flat ? entries : (value) => `<${name}${namespace}>${entries(value)}${close}`
    }
    case 'string': {
      const open = `<${name}${namespace}>`
      return (value) => `${open}${escapeXml(String(value))}${close}`
    }
    default: {
      const open = `<${name}${namespace}>`
      const text = textOf(shape)
      return (value) => open + text(value) + close
    }
  }
}

const attributesOf = (shape: StructureShape): Text => {
  const attributes = shape.members.filter(({ traits }) => traits.xmlAttribute)
  if (attributes.length === 0) return () => ''
  const writers = attributes.map(
    ({ name, traits, shape: target }) => [name, traits.xmlName ?? name, textOf(target)] as const,
  )
  return (value) => {
    let text = ''
    for (const [name, wireName, write] of writers) {
      const one = (value as Readonly<Record<string, unknown>>)[name]
      if (isPresent(one)) text += ` ${wireName}="${escapeAttribute(write(one))}"`
    }
    return text
  }
}

const contentOf = perShape<[value: unknown], string>((shape: Shape): Structure => {
  if (shape.kind !== 'structure') throw new Error('Only structures have members.')
  let names: string[] | undefined
  let writers: Element[] = []
  return (value) => {
    if (!names) {
      const members = shape.members.filter(({ traits }) => !traits.xmlAttribute)
      writers = members.map((member) => element(member, member.own.xmlName ?? member.name))
      names = members.map(({ name }) => name)
    }
    const from = value as Readonly<Record<string, unknown>>
    let text = ''
    for (let i = 0; i < names.length; i++) {
      const one = from[names[i]!]
      if (one !== undefined && one !== null) text += writers[i]!(one)
    }
    return text
  }
})

/** A structure's members as elements, without an element around them. */
export const writeXmlMembers = (shape: StructureShape, value: unknown): string => contentOf(shape)(value)

/** A structure as an element of this name. */
export const writeXmlElement = (
  name: string,
  namespace: string | undefined,
  shape: StructureShape,
  value: unknown,
): string =>
  `<${name}${namespace ? ` xmlns="${escapeAttribute(namespace)}"` : ''}${attributesOf(shape)(value)}>${contentOf(shape)(value)}</${name}>`

export const xmlDeclaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
