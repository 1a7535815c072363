import { type DocumentKind, PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { fail } from './operation.ts'

/** A document as IAM answers it: URL-encoded by RFC 3986. */
export const encodeDocument = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)

/** Throws MalformedPolicyDocument with AWS's finding. */
export const checkDocument = (text: string, kind: DocumentKind): PolicyDocument => {
  try {
    return parsePolicy(text, kind)
  } catch (thrown) {
    if (thrown instanceof PolicyFinding) throw fail('MalformedPolicyDocumentException', thrown.message)
    throw thrown
  }
}

/** A document's size as quotas count it: white space is free. */
export const documentSize = (text: string): number => text.replaceAll(/\s/g, '').length
