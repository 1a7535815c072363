import { AwsError } from '../errors.ts'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { decodeUtf8, setKey } from './json.ts'
import { scalarFromText } from './xml-reader.ts'

// Form bodies of awsQuery and ec2Query: `Filter.1.Value.2=x` read into a tree by its dots, the tree into the input.

const maxParameters = 20_000
const maxDepth = 32

export type FormNode = { value: string | undefined; children: Map<string, FormNode> | undefined }

const malformed = (message: string): AwsError => new AwsError('MalformedQueryString', message, { status: 400 })

const unescapeForm = (text: string): string => {
  if (!/[+%]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw malformed('The query string contains a syntax error.')
  }
}

/** Parameters of a form body or query string, in order. */
export const parseForm = (source: string | Uint8Array): [name: string, value: string][] => {
  const text = typeof source === 'string' ? source : decodeUtf8(source)
  const parameters: [string, string][] = []
  for (const part of text.split('&')) {
    if (part === '') continue
    if (parameters.length === maxParameters) throw malformed('The request has too many parameters.')
    const equals = part.indexOf('=')
    parameters.push(
      equals < 0
        ? [unescapeForm(part), '']
        : [unescapeForm(part.slice(0, equals)), unescapeForm(part.slice(equals + 1).trimEnd())],
    )
  }
  return parameters
}

export const formTree = (parameters: Iterable<readonly [string, string]>): FormNode => {
  const root: FormNode = { value: undefined, children: undefined }
  for (const [name, value] of parameters) {
    const steps = name.split('.')
    if (steps.length > maxDepth) throw malformed('A parameter name has too many parts.')
    let node = root
    for (const step of steps) {
      node.children ??= new Map()
      let next = node.children.get(step)
      if (!next) {
        next = { value: undefined, children: undefined }
        node.children.set(step, next)
      }
      node = next
    }
    // The first one counts, as with AWS's front end.
    node.value ??= value
  }
  return root
}

export type FormDialect = 'awsQuery' | 'ec2Query'

const capitalize = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

/** What a member is called in a form. */
export const wireName = ({ name, traits, own }: Member, dialect: FormDialect): string =>
  dialect === 'awsQuery' ? (own.xmlName ?? name) : (traits.ec2QueryName ?? capitalize(own.xmlName ?? name))

const items = (node: FormNode): FormNode[] =>
  [...(node.children ?? [])]
    .filter(([index]) => /^\d{1,9}$/.test(index))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, item]) => item)

/** A structure from a form's tree. Throws as `invalid` says for a scalar that is none. */
export const readForm = (
  shape: StructureShape,
  node: FormNode,
  dialect: FormDialect,
  invalid: (path: string, value: string, kind: Shape['kind']) => AwsError,
): Record<string, unknown> => {
  const read = (member: Member, at: FormNode, path: string, parent: FormNode): unknown => {
    const { shape: target } = member
    switch (target.kind) {
      case 'structure':
        return structure(target, at, `${path}.`)
      case 'list': {
        const flat = dialect === 'ec2Query' || member.traits.xmlFlattened === 1
        const inner = flat ? at : at.children?.get(target.member.traits.xmlName ?? 'member')
        if (!inner) return []
        return items(inner).map((item, i) => read(target.member, item, `${path}.${i + 1}`, parent))
      }
      case 'map': {
        const flat = member.traits.xmlFlattened === 1
        const entries = flat ? at : at.children?.get('entry')
        const map: Record<string, unknown> = {}
        for (const entry of entries ? items(entries) : []) {
          const key = entry.children?.get(target.key.traits.xmlName ?? 'key')?.value
          const value = entry.children?.get(target.value.traits.xmlName ?? 'value')
          if (key !== undefined && value) setKey(map, key, read(target.value, value, `${path}.${key}`, parent))
        }
        return map
      }
      default: {
        // `Name.1` where the model has a plain value is not that value.
        if (at.value === undefined) return undefined
        const value = scalarFromText(target, target.kind === 'string' ? at.value : at.value.trim())
        if (value === undefined) throw invalid(path, at.value, target.kind)
        return value
      }
    }
  }
  const structure = (of: StructureShape, at: FormNode, path: string): Record<string, unknown> => {
    const result: Record<string, unknown> = {}
    const { children } = at
    if (!children) return result
    for (const member of of.members) {
      const name = wireName(member, dialect)
      const child = children.get(name) ?? flattenedByItemName(member, children)
      if (!child) continue
      const value = read(member, child, `${path}${name}`, at)
      if (value !== undefined) result[member.name] = value
    }
    return result
  }
  return structure(shape, node, '')
}

/** Some clients name a flattened list by its items (SQS's `Attribute.1`). */
const flattenedByItemName = (
  { traits, shape }: Member,
  children: ReadonlyMap<string, FormNode>,
): FormNode | undefined => {
  if (!traits.xmlFlattened || shape.kind !== 'list') return undefined
  const itemName = shape.member.traits.xmlName
  return itemName === undefined ? undefined : children.get(itemName)
}
