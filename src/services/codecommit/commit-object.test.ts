import { describe, expect, it } from 'vitest'
import { authoredAt, readCommitObject, writeCommitObject } from './commit-object.ts'

const id = 'c'.repeat(40)

describe('commit objects', () => {
  it('reads people, parents, signature and message', () => {
    const text = [
      'tree t',
      'parent p',
      'parent q',
      'author Ana María <ana@example.com> 1446045537 -0800',
      'committer Bot <> 1446045600 +0000',
      'gpgsig -----BEGIN',
      ' abc',
      '',
      'A line',
      '',
      'and a body',
      '',
    ].join('\n')
    const commit = readCommitObject(id, Buffer.from(text))
    expect(commit).toEqual({
      commitId: id,
      treeId: 't',
      parents: ['p', 'q'],
      author: { name: 'Ana María', email: 'ana@example.com', date: '1446045537 -0800' },
      committer: { name: 'Bot', email: '', date: '1446045600 +0000' },
      additionalData: 'gpgsig -----BEGIN\n abc',
      message: 'A line\n\nand a body\n',
    })
    expect(authoredAt(commit)?.toISOString()).toBe('2015-10-28T15:18:57.000Z')
  })

  it('writes what it reads, and lets no name break the header', () => {
    const bytes = writeCommitObject({
      tree: 't',
      parents: ['p'],
      name: 'Eve <root>\nparent x',
      email: 'eve@example.com',
      time: new Date(1_000),
      message: 'm',
    })
    expect(readCommitObject(id, bytes)).toMatchObject({
      parents: ['p'],
      author: { name: 'Eve rootparent x', email: 'eve@example.com', date: '1 +0000' },
      message: 'm',
    })
  })
})
