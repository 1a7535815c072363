// What users may call things: pure checks, so that no name reaches git unread.

/** A full SHA-1 object id. */
export const isObjectId = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

/** Quotas in CodeCommit: letters, digits, `.`, `_`, `-`, at most 100, not ending in `.git`. */
export const isRepositoryName = (name: string): boolean =>
  /^[\w.-]{1,100}$/.test(name) && !name.toLowerCase().endsWith('.git') && name !== '.' && name !== '..'

/** The rules of git-check-ref-format for what comes after `refs/heads/`, so that it can be no option and no path. */
export const isReferenceName = (name: string): boolean =>
  name.length > 0 &&
  name.length <= 1024 &&
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  !/[\x00-\x20\x7f~^:?*[\\]/.test(name) &&
  !name.includes('..') &&
  !name.includes('@{') &&
  !name.endsWith('.') &&
  name !== '@' &&
  name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))

/** Quotas in CodeCommit: a reference name of at most 256 characters that is no object id and no option. */
export const isBranchName = (name: string): boolean =>
  name.length <= 256 && !name.startsWith('-') && isReferenceName(name) && !isObjectId(name)

/**
 * A path inside a repository as git writes it: no leading, trailing or doubled slash, no `.`, `..` or `.git` part.
 * `''` is the root folder; `undefined` when the text is no path.
 */
export const repositoryPath = (text: string): string | undefined => {
  const path = text.replace(/^\/+|\/+$/g, '')
  if (text.length > 4096 || path.includes('\0')) return undefined
  if (path === '') return ''
  const parts = path.split('/')
  const bad = (part: string) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git'
  return parts.some(bad) ? undefined : path
}

/**
 * The references a commit specifier may mean, in the order they are tried. Each is safe to hand to git as a revision;
 * none when the text can be no specifier. `HEAD` is the default branch.
 */
export const specifierCandidates = (specifier: string, defaultBranch: string | undefined): string[] | undefined => {
  if (isObjectId(specifier)) return [specifier.toLowerCase()]
  if (specifier === 'HEAD') return defaultBranch === undefined ? [] : [`refs/heads/${defaultBranch}`]
  if (specifier.startsWith('-') || !isReferenceName(specifier)) return undefined
  return specifier.startsWith('refs/') ? [specifier] : [`refs/heads/${specifier}`, `refs/tags/${specifier}`]
}
