import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { git, startGit, zeroId } from './git.ts'
import { advertisement, answerReferences, readQuestion } from './git-answers.ts'
import { createDatabase, moveReference, writeObject } from './object-database.ts'
import { flush, pktLine } from './pkt-line.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'answers-'))
  await createDatabase(folder)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const inGit = (...args: string[]) =>
  git([`--git-dir=${folder}`, '-c', 'user.name=A', '-c', 'user.email=a@example.com', ...args])

const fill = async (): Promise<string> => {
  const tree = (await git([`--git-dir=${folder}`, 'mktree'], { input: '' })).toString().trim()
  const commit = await writeObject(
    folder,
    'commit',
    Buffer.from(`tree ${tree}\nauthor A <> 1 +0000\ncommitter A <> 1 +0000\n\nm`),
  )
  for (const reference of ['refs/heads/main', 'refs/heads/a/ä', 'refs/heads/a-b', 'refs/tags/light', 'refs/notes/x'])
    await moveReference(folder, { reference, from: zeroId, to: commit })
  return commit
}

const env = (version: string | undefined): Record<string, string> =>
  version === undefined ? {} : { GIT_PROTOCOL: version }
const start = (service: string, version: string | undefined, ...options: string[]) =>
  startGit([service, '--stateless-rpc', ...options, '--', folder], { env: env(version) })

it.each([
  ['git-receive-pack', undefined],
  ['git-receive-pack', 'version=1'],
  ['git-receive-pack', 'version=2'],
  ['git-upload-pack', undefined],
  ['git-upload-pack', 'version=2'],
] as const)('introduces a repository as %s does (%s)', async (service, version) => {
  const program = service.slice('git-'.length)
  const told = () => advertisement(folder, service, version, () => start(program, version, '--advertise-refs'))
  const byGit = () => git([program, '--stateless-rpc', '--advertise-refs', '--', folder], { env: env(version) })
  for (const change of [
    async () => {},
    fill,
    () => inGit('tag', '-a', '-m', 'm', 'v1', 'main'),
    () => inGit('pack-refs', '--all'),
  ]) {
    await change()
    expect((await told()).toString()).toBe((await byGit()).toString())
  }
})

const question = (...args: string[]) =>
  Buffer.concat([
    pktLine('command=ls-refs\n'),
    pktLine('agent=git/2.39.5'),
    pktLine('object-format=sha1'),
    Buffer.from('0001'),
    ...args.map((arg) => pktLine(`${arg}\n`)),
    flush,
  ])

const questions = [
  [],
  ['peel', 'symrefs', 'unborn'],
  ['peel', 'symrefs', 'unborn', 'ref-prefix refs/heads/', 'ref-prefix refs/tags/', 'ref-prefix HEAD'],
  ['symrefs', 'ref-prefix refs/heads/a'],
  ['peel', 'ref-prefix refs/tags/'],
  ['unborn', 'ref-prefix HEAD'],
]

it('answers for references as git does, or leaves it to git', async () => {
  const byGit = (input: Buffer) =>
    git(['upload-pack', '--stateless-rpc', '--', folder], { env: env('version=2'), input })
  const leftToGit: string[] = []
  const check = async (state: string) => {
    for (const args of questions) {
      const input = question(...args)
      const asked = readQuestion(input)
      if (typeof asked !== 'object') throw new Error('That is a question for references.')
      const answer = await answerReferences(folder, asked)
      if (answer) expect(answer.toString()).toBe((await byGit(input)).toString())
      else leftToGit.push(`${state}: ${args.join(' ')}`)
    }
  }
  await check('empty')
  await fill()
  await check('loose')
  await inGit('tag', '-a', '-m', 'm', 'v1', 'main')
  await check('tag object')
  await inGit('pack-refs', '--all')
  await check('packed')
  expect(leftToGit).toEqual([
    'tag object: peel symrefs unborn',
    'tag object: peel symrefs unborn ref-prefix refs/heads/ ref-prefix refs/tags/ ref-prefix HEAD',
    'tag object: peel ref-prefix refs/tags/',
  ])
})

it('waits for the whole question, and takes no other for one', () => {
  const whole = question('peel')
  for (let length = 0; length < whole.length; length++)
    expect(['undefined', 'other']).toContain(String(readQuestion(whole.subarray(0, length))))
  expect(readQuestion(whole.subarray(0, whole.length - 1))).toBeUndefined()
  expect(readQuestion(question('peel', 'something-new'))).toBe('other')
  expect(readQuestion(Buffer.concat([pktLine('command=fetch\n'), flush]))).toBe('other')
  expect(readQuestion(pktLine(`want ${zeroId}`))).toBe('other')
  expect(readQuestion(flush)).toBe('other')
  expect(readQuestion(question(...Array.from({ length: 3000 }, () => `ref-prefix ${'x'.repeat(50)}`)))).toMatchObject({
    peel: false,
  })
  expect(() => readQuestion(Buffer.from('nonsense'))).toThrow('pkt-line')
})
