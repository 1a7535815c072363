import { DOMParser, type Element, type Node } from '@xmldom/xmldom'

/** The text is no XML that we read: not well-formed, too long, or with a document type. */
export class XmlRefused extends Error {}

const deepest = 100

/**
 * Reads XML that a stranger wrote. Document types are refused, so there are no entities but XML's own five, nothing is
 * fetched and nothing grows; so is nesting beyond 100 levels. Throws XmlRefused.
 */
export const parseHostileXml = (text: string, longest: number): Element => {
  if (text.length > longest) throw new XmlRefused('The document is too long.')
  if (/<!DOCTYPE|<!ENTITY/i.test(text)) throw new XmlRefused('The document has a document type.')
  try {
    const refuse = (_: string, message: string) => {
      throw new XmlRefused(message)
    }
    const root = new DOMParser({ onError: refuse, locator: false }).parseFromString(text, 'text/xml').documentElement
    if (root && !isTooDeep(root)) return root
  } catch (error) {
    throw new XmlRefused(error instanceof Error ? error.message : 'not XML')
  }
  throw new XmlRefused('The document is empty or too deep.')
}

const isElement = (node: Node): node is Element => node.nodeType === 1

/** Whoever reads the tree does so by recursion; the parser does not, and neither does this. */
const isTooDeep = (root: Element): boolean => {
  const open: [node: Node, depth: number][] = [[root, 1]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, depth] = next
    if (depth > deepest) return true
    for (let child = node.firstChild; child; child = child.nextSibling) open.push([child, depth + 1])
  }
  return false
}

/** Child elements of this namespace and name, in order. */
export const childrenOf = (parent: Element, namespace: string, name: string): Element[] =>
  [...parent.childNodes].filter(
    (node): node is Element => isElement(node) && node.namespaceURI === namespace && node.localName === name,
  )

/** An element's whole text, comments left out, white space around it too. */
export const textOf = (element: Element): string => (element.textContent ?? '').trim()
