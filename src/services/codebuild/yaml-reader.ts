import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml'

/** What CodeBuild shows as `YAML_FILE_ERROR` in the context of DOWNLOAD_SOURCE. */
export class BuildspecError extends Error {}

const aliasLimit = 200

export type Keys = Readonly<Record<string, unknown>>

export const isKeys = (value: unknown): value is Keys =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isEmpty = (value: unknown) => value === undefined || value === null || value === '' || value === '~'

/** A variable's name as a shell takes it. */
export const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Reads values of one document; every complaint names the line. */
export const yamlReader = (text: string) => {
  const lines = new LineCounter()
  // The failsafe schema keeps scalars as written: `010`, `yes` and `1.10` are text, as for CodeBuild.
  const document = parseDocument(text, {
    schema: 'failsafe',
    merge: true,
    prettyErrors: false,
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
  })
  const problem = document.errors[0]
  if (problem) throw new BuildspecError(`${problem.message} at line ${lines.linePos(problem.pos[0]).line}`)

  const nodeAt = (path: readonly (string | number)[]): Node | undefined => {
    const node = document.getIn(path, true)
    return isNode(node) ? node : undefined
  }
  const lineOf = (node: Node | undefined | null) => (node?.range ? lines.linePos(node.range[0]).line : undefined)
  const at = (path: readonly (string | number)[]) => {
    const line = lineOf(nodeAt(path))
    return line === undefined ? '' : ` at line ${line}`
  }

  const content = (): unknown => {
    try {
      return document.toJS({ maxAliasCount: aliasLimit })
    } catch (error) {
      throw new BuildspecError(error instanceof Error ? error.message : String(error))
    }
  }

  const fail = (message: string, path: readonly (string | number)[]) => new BuildspecError(`${message}${at(path)}`)

  const section = (value: unknown, path: readonly (string | number)[]): Keys => {
    if (isEmpty(value)) return {}
    if (!isKeys(value)) throw fail(`Expected ${path.join('/')} to be a mapping`, path)
    return value
  }
  const scalar = (value: unknown, path: readonly (string | number)[]): string | undefined => {
    if (isEmpty(value)) return undefined
    if (typeof value !== 'string') throw fail(`Expected ${path.join('/')} to be of string type`, path)
    return value
  }
  const flag = (value: unknown, path: readonly (string | number)[]): boolean => {
    const word = scalar(value, path)?.toLowerCase()
    if (word === undefined || word === 'no' || word === 'false' || word === 'off') return false
    if (word === 'yes' || word === 'true' || word === 'on') return true
    throw fail(`Expected ${path.join('/')} to be yes or no: found ${word}`, path)
  }
  const strings = (value: unknown, path: readonly (string | number)[]): string[] => {
    if (isEmpty(value)) return []
    if (typeof value === 'string') return [value]
    if (!Array.isArray(value)) throw fail(`Expected ${path.join('/')} to be a list of strings`, path)
    return value.map((item: unknown, index) => {
      if (typeof item !== 'string')
        throw fail(`Expected ${path.join('/')}[${index}] to be of string type`, [...path, index])
      return item
    })
  }
  const texts = (value: unknown, path: readonly (string | number)[]): Record<string, string> => {
    const found: Record<string, string> = {}
    for (const [key, item] of Object.entries(section(value, path))) {
      if (item !== null && typeof item !== 'string')
        throw fail(`Expected ${[...path, key].join('/')} to be of string type`, [...path, key])
      found[key] = item ?? ''
    }
    return found
  }

  /** CodeBuild's own complaint about `- echo "a: b"` unquoted, which YAML reads as a mapping. */
  const commands = (value: unknown, path: readonly (string | number)[], title: string): string[] => {
    if (isEmpty(value)) return []
    if (typeof value === 'string') return [value]
    if (!Array.isArray(value)) throw fail(`Expected ${title} to be a list of strings: found subkeys instead`, path)
    return value.map((item: unknown, index) => {
      if (typeof item === 'string') return item
      if (item === null) return ''
      const node = nodeAt([...path, index])
      const line = lineOf(node)
      const key = isMap(node) ? (node as YAMLMap).items[0]?.key : undefined
      const name = isScalar(key) ? String(key.value) : ''
      throw new BuildspecError(
        `Expected ${title}[${index}] to be of string type: found subkeys instead at line ${line}, ` +
          `value of the key ${name || 'tag'} on line ${line} might be empty`,
      )
    })
  }

  return { content, fail, section, scalar, flag, strings, texts, commands }
}

export type YamlReader = ReturnType<typeof yamlReader>
