import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { type Packed, unzip, zip } from '../../archives/zip.ts'
import { type ArtifactError, findArtifactFiles, globMatches, locate } from './artifact-files.ts'

let root = ''
let secret = ''
const view = () => ({ inside: '/codebuild', outside: join(root, 'mount') })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drydock-artifacts-'))
  secret = join(root, 'secret')
  await writeFile(secret, 'of the host')
  const source = join(root, 'mount/src')
  for (const path of ['a.txt', '.hidden', 'dist/app.js', 'dist/lib/util.js', 'dist-2/b.js', 'node_modules/x/y.js']) {
    await mkdir(join(source, path, '..'), { recursive: true })
    await writeFile(join(source, path), path)
  }
  await chmod(join(source, 'dist/app.js'), 0o755)
  await symlink(secret, join(source, 'leak'))
  await symlink('../../../secret', join(source, 'leak2'))
  await symlink(root, join(source, 'out'))
  await symlink('/codebuild/src/a.txt', join(source, 'good'))
  await symlink('loop', join(source, 'loop'))
  await symlink('dist', join(source, 'current'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

test.each([
  ['**/*', 'a/b/c', true],
  ['**/*', 'a', true],
  ['**', 'a/b', true],
  ['*', 'a/b', false],
  ['a/*', 'a/b', true],
  ['a/**/c', 'a/c', true],
  ['a/**/c', 'a/x/y/c', true],
  ['a/**/c', 'a/x/y/d', false],
  ['*.js', 'app.js', true],
  ['*.js', 'app.jsx', false],
  ['a?c', 'abc', true],
  ['a[0-9]', 'a5', true],
  ['a[!0-9]', 'a5', false],
  ['target/*.jar', 'target/x-1.0.jar', true],
  [`${'*a'.repeat(40)}b`, 'a'.repeat(5000), false],
  [Array(60).fill('**').join('/x/'), Array(200).fill('x').join('/'), true],
])('%s matches %s: %s', (pattern, path, expected) => expect(globMatches(pattern, path)).toBe(expected))

const spec = (more: object) => ({
  files: ['**/*'],
  excludePaths: [],
  discardPaths: false,
  enableSymlinks: false,
  ...more,
})
const names = async (more: object) =>
  (await findArtifactFiles(spec(more), [view()], '/codebuild/src')).files.map(({ path }) => path)

describe('finding', () => {
  it('takes everything below the base folder, links inside followed, links outside left out', async () => {
    expect(await names({})).toEqual([
      '.hidden',
      'a.txt',
      'dist/app.js',
      'dist/lib/util.js',
      'dist-2/b.js',
      'good',
      'node_modules/x/y.js',
    ])
    expect(await names({ files: ['out/secret', 'a.txt', 'leak', 'leak2', '../../secret'] })).toEqual(['a.txt'])
    expect(await names({ files: ['current/app.js'] })).toEqual(['current/app.js'])
  })
  it('excludes, flattens, and takes absolute names', async () => {
    expect(await names({ excludePaths: ['node_modules/**/*', 'dist*/**/*', 'good'] })).toEqual(['.hidden', 'a.txt'])
    expect(await names({ baseDirectory: 'dist', discardPaths: true })).toEqual(['app.js', 'util.js'])
    expect(await names({ files: ['/codebuild/src/dist/app.js'] })).toEqual(['dist/app.js'])
  })
  it('takes wildcards in the base folder', async () => {
    expect(await names({ baseDirectory: 'dist*' })).toEqual(['app.js', 'lib/util.js', 'b.js'])
  })
  test.each([
    [{ baseDirectory: 'nowhere' }, 'no matching base directory path found for nowhere'],
    [{ baseDirectory: '/etc' }, 'no matching base directory path found for /etc'],
    [{ baseDirectory: 'out' }, 'no matching base directory path found for out'],
    [{ files: ['*.jar'] }, 'no matching artifact paths found'],
  ])('%j: %s', async (more, message) => {
    const error = await findArtifactFiles(spec(more), [view()], '/codebuild/src').catch(
      (thrown: ArtifactError) => thrown,
    )
    expect(error).toMatchObject({ message })
  })
  it('never leaves the view', async () => {
    expect(await locate(view(), '/codebuild/src/leak')).toBeUndefined()
    expect(await locate(view(), '/codebuild/../etc/passwd')).toBeUndefined()
    expect(await locate(view(), '/codebuild/src/loop')).toBeUndefined()
    expect(await locate(view(), '/codebuild/src/good')).toBe(join(root, 'mount/src/a.txt'))
  })
})

describe('archives', () => {
  const packed = async (files: readonly Packed[]) => {
    const archive = join(root, `${Math.random()}.zip`)
    await zip(files, archive)
    return archive
  }
  const modified = new Date('2026-01-02T03:04:06Z')
  it('come out as they went in', async () => {
    const { files } = await findArtifactFiles(spec({ baseDirectory: 'dist' }), [view()], '/codebuild/src')
    const archive = join(root, 'round.zip')
    const { size, sha256, md5 } = await zip(
      [
        ...files.map(({ path, ...file }) => ({ ...file, name: path })),
        { source: '', name: 'l', mode: 0, modified, link: 'app.js' },
      ],
      archive,
    )
    expect((await readFile(archive)).length).toBe(size)
    expect([sha256.length, md5.length]).toEqual([64, 32])
    const folder = join(root, 'unpacked')
    await unzip(archive, folder)
    expect(await readFile(join(folder, 'l'), 'utf8')).toBe('dist/app.js')
    const { mode } = await import('node:fs').then(({ statSync }) => statSync(join(folder, 'app.js')))
    expect(mode & 0o777).toBe(0o755)
  })
  it('are refused when they reach out', async () => {
    const a = { source: secret, mode: 0o644, modified }
    const evil = async (name: string, from: string) => {
      // The packer refuses such names, so a harmless archive is altered.
      const bytes = await readFile(await packed([{ ...a, name: from }]))
      const altered = join(root, 'evil.zip')
      await writeFile(altered, bytes.toString('latin1').replaceAll(from, name), 'latin1')
      return altered
    }
    await expect(unzip(await evil('../etc', 'aa/etc'), join(root, 'e1'))).rejects.toThrow(
      /outside its folder|invalid relative path|absolute path/,
    )
    await expect(unzip(await evil('/etc/x', 'aetc/x'), join(root, 'e2'))).rejects.toThrow(
      /outside its folder|invalid relative path|absolute path/,
    )
    const link = { source: '', mode: 0, modified }
    await expect(unzip(await packed([{ ...link, name: 'x', link: '/etc' }]), join(root, 'e3'))).rejects.toThrow(
      /leaves/,
    )
    await expect(unzip(await packed([{ ...link, name: 'a/x', link: '../../b' }]), join(root, 'e4'))).rejects.toThrow(
      /leaves/,
    )
    await expect(
      unzip(
        await packed([
          { ...link, name: 'x', link: 'y' },
          { ...link, name: 'z', link: 'x/../..' },
        ]),
        join(root, 'e5'),
      ),
    ).rejects.toThrow(/leaves|through/)
    await expect(
      unzip(
        await packed([
          { ...link, name: 'x', link: '.' },
          { ...a, name: 'x/f' },
        ]),
        join(root, 'e6'),
      ),
    ).rejects.toThrow()
    await expect(
      unzip(
        await packed([
          { ...a, name: 'a' },
          { ...a, name: 'b' },
        ]),
        join(root, 'e7'),
        { entries: 1, bytes: 999 },
      ),
    ).rejects.toThrow(/entries/)
    await expect(
      unzip(await packed([{ ...a, name: 'a' }]), join(root, 'e8'), { entries: 9, bytes: 5 }),
    ).rejects.toThrow(/bytes/)
    await writeFile(join(root, 'no.zip'), 'nothing')
    await expect(unzip(join(root, 'no.zip'), join(root, 'e9'))).rejects.toThrow()
  })
})
