import { type JsonNode, type Member, memberOf, type ObjectNode, type StringNode } from '../analysis/positioned-json.ts'

// A policy's text as checks look at it: its elements, each with its place. What has the wrong shape is left out here and
// reported by the checks of the document's grammar.

/** As the API has it: a member's value, a member's key, an item, a part of a string. */
export type PathElement =
  | { readonly value: string }
  | { readonly key: string }
  | { readonly index: number }
  | { readonly substring: { readonly start: number; readonly length: number } }
export type Spot<N extends { readonly start: number; readonly end: number } = JsonNode> = {
  readonly node: N
  readonly path: readonly PathElement[]
}
export type Place = Spot<{ readonly start: number; readonly end: number }>

export const valueIn = (spot: Spot, { key, value }: Member): Spot => ({
  node: value,
  path: [...spot.path, { value: key }],
})
export const keyIn = (spot: Spot, { key, place }: Member): Place => ({ node: place, path: [...spot.path, { key }] })
const itemIn = (spot: Spot, node: JsonNode, index: number): Spot => ({ node, path: [...spot.path, { index }] })

/** A piece of a string. Where the text has escapes, the whole of it is pointed at. */
export const partOf = (spot: Spot<StringNode>, start: number, length: number): Place => {
  const { node } = spot
  const plain = node.end - node.start - 2 === node.text.length
  return {
    path: [...spot.path, { substring: { start, length } }],
    node: plain ? { start: node.start + 1 + start, end: node.start + 1 + start + length } : node,
  }
}

export const membersOf = (spot: Spot | undefined): readonly { readonly member: Member; readonly spot: Spot }[] =>
  spot?.node.kind === 'object' ? spot.node.members.map((member) => ({ member, spot: valueIn(spot, member) })) : []

/** One or many, as policies write lists. */
export const itemsOf = (spot: Spot | undefined): readonly Spot[] => {
  if (!spot) return []
  return spot.node.kind === 'array' ? spot.node.items.map((node, index) => itemIn(spot, node, index)) : [spot]
}

export const isText = (spot: Spot): spot is Spot<StringNode> => spot.node.kind === 'string'

export const textsOf = (spot: Spot | undefined): readonly Spot<StringNode>[] => itemsOf(spot).filter(isText)

export const find = (spot: Spot | undefined, key: string): Spot | undefined => {
  if (spot?.node.kind !== 'object') return undefined
  const member = memberOf(spot.node, key)
  return member && valueIn(spot, member)
}

export type ConditionView = {
  readonly operatorText: string
  readonly operatorPlace: Place
  /** Without set operator and `IfExists`. */
  readonly base: string
  readonly set: 'ForAllValues' | 'ForAnyValue' | undefined
  readonly ifExists: boolean
  readonly key: string
  readonly keyPlace: Place
  readonly value: Spot
  readonly values: readonly Spot[]
}

export type PrincipalView = { readonly type: string; readonly name: string; readonly spot: Spot<StringNode> }

export type StatementView = {
  readonly spot: Spot
  readonly node: ObjectNode
  readonly effect: 'Allow' | 'Deny' | undefined
  readonly sid: Spot<StringNode> | undefined
  readonly actionElement: 'Action' | 'NotAction' | undefined
  readonly actions: readonly Spot<StringNode>[]
  readonly resourceElement: 'Resource' | 'NotResource' | undefined
  readonly resources: readonly Spot<StringNode>[]
  readonly principalElement: 'Principal' | 'NotPrincipal' | undefined
  readonly principals: readonly PrincipalView[]
  readonly conditions: readonly ConditionView[]
}

export type PolicyView = {
  readonly root: Spot
  readonly version: string | undefined
  readonly statements: readonly StatementView[]
}

const operatorParts = /^(?:(ForAllValues|ForAnyValue):)?(.*?)(IfExists)?$/i

const conditionsIn = (statement: Spot): ConditionView[] => {
  const block = find(statement, 'Condition')
  return membersOf(block).flatMap(({ member, spot }) => {
    const [, set, base = '', ifExists] = operatorParts.exec(member.key) ?? []
    return membersOf(spot).map((key) => ({
      operatorText: member.key,
      operatorPlace: keyIn(block!, member),
      base,
      set: set === undefined ? undefined : set.toLowerCase() === 'forallvalues' ? 'ForAllValues' : 'ForAnyValue',
      ifExists: ifExists !== undefined,
      key: key.member.key,
      keyPlace: keyIn(spot, key.member),
      value: key.spot,
      values: itemsOf(key.spot),
    }))
  })
}

const principalsIn = (element: Spot | undefined): PrincipalView[] => {
  if (!element) return []
  if (isText(element)) return [{ type: 'AWS', name: element.node.text, spot: element }]
  return membersOf(element).flatMap(({ member, spot }) =>
    textsOf(spot).map((one) => ({ type: member.key, name: one.node.text, spot: one })),
  )
}

const present = <N extends string>(spot: Spot, ...names: N[]): N | undefined => names.find((name) => find(spot, name))

const statementOf = (spot: Spot, node: ObjectNode): StatementView => {
  const actionElement = present(spot, 'Action', 'NotAction')
  const resourceElement = present(spot, 'Resource', 'NotResource')
  const principalElement = present(spot, 'Principal', 'NotPrincipal')
  const effect = find(spot, 'Effect')?.node
  const sid = find(spot, 'Sid')
  return {
    spot,
    node,
    effect: effect?.kind === 'string' && (effect.text === 'Allow' || effect.text === 'Deny') ? effect.text : undefined,
    sid: sid && isText(sid) ? sid : undefined,
    actionElement,
    actions: actionElement ? textsOf(find(spot, actionElement)) : [],
    resourceElement,
    resources: resourceElement ? textsOf(find(spot, resourceElement)) : [],
    principalElement,
    principals: principalElement ? principalsIn(find(spot, principalElement)) : [],
    conditions: conditionsIn(spot),
  }
}

export const policyViewOf = (node: JsonNode): PolicyView => {
  const root: Spot = { node, path: [] }
  const version = find(root, 'Version')?.node
  return {
    root,
    version: version?.kind === 'string' ? version.text : undefined,
    statements: itemsOf(find(root, 'Statement')).flatMap((spot) =>
      spot.node.kind === 'object' ? [statementOf(spot, spot.node)] : [],
    ),
  }
}
