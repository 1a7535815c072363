import { RemoteError } from './reach.ts'
import type { Answer } from './request.ts'

// Reading what providers answer: somebody else's JSON.

/** A value inside of JSON, by its path. */
export const at = (json: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (inner, name) =>
      inner && typeof inner === 'object' ? (inner as Record<string, unknown>)[String(name)] : undefined,
    json,
  )

/** A text or number there, as text; empty where there is none. */
export const text = (json: unknown, ...path: readonly (string | number)[]): string => {
  const value = at(json, ...path)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Throws RemoteError with the provider's own sentence unless it said yes. */
export const wanted = (what: string, { status, body }: Answer): unknown => {
  if (status >= 200 && status < 300) return body
  const said = text(body, 'message') || text(body, 'error', 'message') || text(body, 'error')
  throw new RemoteError(`${what}: the provider answered ${status}${said ? ` (${said.slice(0, 300)})` : ''}`, status)
}

/** The same, where it does not matter that there was nothing any more. */
export const gone = (what: string, answer: Answer): void => {
  if (answer.status !== 404 && answer.status !== 410) wanted(what, answer)
}

/** An answer, or `undefined` where there is nothing. */
export const maybe = (what: string, answer: Answer): unknown =>
  answer.status === 404 ? undefined : wanted(what, answer)

export const etagOf = ({ headers }: Answer): { tag?: string } =>
  typeof headers.etag === 'string' ? { tag: headers.etag } : {}

/** `owner/name` as a path; GitLab's may have more parts. Throws RemoteError for what would lead elsewhere. */
export const pathOf = (repository: string): string => {
  const parts = repository.replace(/\.git$/, '').split('/')
  if (parts.length < 2 || parts.some((part) => /^\.{0,2}$/.test(part)))
    throw new RemoteError(`${repository} does not name a repository as owner/name`)
  return parts.map(encodeURIComponent).join('/')
}
