import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { git, runGit } from './git.ts'
import { conflictsOf, mergedTree, tryMerge } from './merge.ts'
import { createDatabase, readReference } from './object-database.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'merge-'))
  await createDatabase(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Commits of one file: a base, and what either side made of it. */
const commitsOf = async (base: string, source: string, destination: string) => {
  const commit = (branch: string, text: string, from?: string) =>
    [
      `commit refs/heads/${branch}`,
      'committer A <a@example.com> 1 +0000',
      `data 1\nm${from ? `\nfrom ${from}` : ''}`,
      `M 100644 inline f\ndata ${Buffer.byteLength(text)}\n${text}`,
      '',
    ].join('\n')
  const clean = ['base', 'source', 'destination'].map((name) => `reset refs/heads/${name}\n\n`).join('')
  const input = `${clean}${commit('base', base)}${commit('source', source, 'refs/heads/base')}${commit('destination', destination, 'refs/heads/base')}`
  await git([`--git-dir=${folder}`, 'fast-import', '--quiet', '--force'], { input })
  const tip = async (branch: string) => (await readReference(folder, `refs/heads/${branch}`)) ?? ''
  return { source: await tip('source'), destination: await tip('destination') }
}

const textOf = async (tree: string) => (await git([`--git-dir=${folder}`, 'cat-file', 'blob', `${tree}:f`])).toString()

/** What `git merge-file` makes of the three texts where one side wins what is in conflict. */
const byMergeFile = async (favour: string, base: string, source: string, destination: string): Promise<string> => {
  const files = ['destination', 'base', 'source'].map((name) => join(folder, `${name}.txt`))
  for (const [index, text] of [destination, base, source].entries()) await writeFile(files[index] ?? '', text)
  return (await runGit(['merge-file', '-p', '--quiet', favour, ...files])).stdout.toString()
}

it('lets one side win what is in conflict, by lines as git merge-file does, by files whole', async () => {
  const line = fc.constantFrom('a', 'b', 'c', 'd')
  const text = fc.array(line, { minLength: 1, maxLength: 8 }).map((lines) => `${lines.join('\n')}\n`)
  let conflicts = 0
  await fc.assert(
    fc.asyncProperty(text, text, text, async (base, source, destination) => {
      const tips = await commitsOf(base, source, destination)
      const merge = await tryMerge(folder, tips.source, tips.destination)
      const inConflict = merge.unmerged.size > 0
      conflicts += Number(inConflict)
      for (const [strategy, favour, winner] of [
        ['ACCEPT_SOURCE', '--theirs', source],
        ['ACCEPT_DESTINATION', '--ours', destination],
      ] as const) {
        const made = async (level: 'LINE_LEVEL' | 'FILE_LEVEL') =>
          textOf(await mergedTree(merge, { level, strategy }, {}))
        expect(await made('LINE_LEVEL')).toBe(
          inConflict ? await byMergeFile(favour, base, source, destination) : await textOf(merge.tree),
        )
        const bothChanged = source !== base && destination !== base && source !== destination
        expect(conflictsOf(merge, { level: 'FILE_LEVEL', strategy }).length).toBe(bothChanged ? 1 : 0)
        expect(await made('FILE_LEVEL')).toBe(bothChanged ? winner : source === base ? destination : source)
      }
    }),
    { numRuns: 10, examples: [['a\nb\n', 'x\nb\n', 'y\nb\n']] },
  )
  expect(conflicts).toBeGreaterThan(0)
}, 120_000)
