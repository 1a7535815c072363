// git's commit objects (gitformat, "commit"): read and written, pure.

import type { Commit, UserInfo } from '@aws-sdk/client-codecommit'

const person = (line: string): UserInfo => {
  const match = /^(.*?) ?<([^>]*)> (-?\d+ [+-]\d{4})$/.exec(line)
  return match ? { name: match[1], email: match[2], date: match[3] } : { name: line }
}

/** A commit's bytes in CodeCommit's words. Headers other than git's usual ones are its additional data. */
export const readCommitObject = (commitId: string, bytes: Uint8Array): Commit => {
  const text = Buffer.from(bytes).toString('utf8')
  const end = text.indexOf('\n\n')
  const head = end < 0 ? text : text.slice(0, end)
  const commit: Commit = { commitId, parents: [], message: end < 0 ? '' : text.slice(end + 2) }
  const rest: string[] = []
  // A line that begins with a space goes on with the header before it.
  for (const header of head.split(/\n(?! )/)) {
    const space = header.indexOf(' ')
    const value = header.slice(space + 1)
    switch (header.slice(0, space)) {
      case 'tree':
        commit.treeId = value
        break
      case 'parent':
        commit.parents?.push(value)
        break
      case 'author':
        commit.author = person(value)
        break
      case 'committer':
        commit.committer = person(value)
        break
      default:
        rest.push(header)
    }
  }
  return { ...commit, additionalData: rest.join('\n') }
}

/** When the author made it, as an instant; undefined for a date git could not have written. */
export const authoredAt = (commit: Commit): Date | undefined => {
  const seconds = Number(commit.author?.date?.split(' ')[0])
  return Number.isFinite(seconds) ? new Date(seconds * 1000) : undefined
}

export type NewCommit = {
  readonly tree: string
  readonly parents: readonly string[]
  readonly name: string
  readonly email: string
  readonly time: Date
  readonly message: string
}

// git's own rule for names: what would break the header's form is left out.
const plain = (text: string): string => text.replace(/[<>\n\0]/g, '').trim()

export const writeCommitObject = (commit: NewCommit): Buffer => {
  const who = `${plain(commit.name)} <${plain(commit.email)}> ${Math.floor(commit.time.getTime() / 1000)} +0000`
  const lines = [
    `tree ${commit.tree}`,
    ...commit.parents.map((parent) => `parent ${parent}`),
    `author ${who}`,
    `committer ${who}`,
  ]
  return Buffer.from(`${lines.join('\n')}\n\n${commit.message.replaceAll('\0', '')}`, 'utf8')
}
