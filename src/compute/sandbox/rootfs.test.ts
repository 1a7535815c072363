import { execFileSync } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { textOf } from '../contract.ts'
import type { Image } from '../driver.ts'
import { ComputeError } from '../driver.ts'
import { sandboxDriver } from '../sandbox.ts'
import { hostLayers, resolveInside } from './rootfs.ts'

const base = await mkdtemp(join(tmpdir(), 'dd-'))
afterAll(() => rm(base, { recursive: true, force: true }))

describe('a path inside is found without following what a guest planted', () => {
  const upper = join(base, 'upper')
  const lower = join(base, 'lower')
  const usr = join(base, 'usr')
  const layers = [
    { at: '/', stack: [upper, lower] },
    { at: '/usr', stack: [join(base, 'usr-upper'), usr] },
  ]
  beforeAll(async () => {
    await mkdir(join(lower, 'etc/conf'), { recursive: true })
    await mkdir(upper)
    await mkdir(join(usr, 'lib'), { recursive: true })
    await symlink('usr/lib', join(lower, 'lib'))
    await symlink('/etc', join(upper, 'out'))
    await symlink('../../../../..', join(upper, 'up'))
    await symlink('b', join(upper, 'a'))
    await symlink('a', join(upper, 'b'))
    await symlink(base, join(lower, 'etc/abroad'))
    await writeFile(join(upper, 'file'), '')
  })

  test.each([
    ['/etc/conf/x', '/etc/conf/x'],
    ['/absent/deep/x', '/absent/deep/x'],
    ['/lib/x', '/usr/lib/x'],
    ['/out/conf', '/etc/conf'],
    ['/up/up/etc', '/etc'],
    ['../../etc', '/etc'],
  ])('%s is %s', async (path, expected) => expect(await resolveInside(layers, path)).toBe(expected))
  test('a link abroad stays inside', async () =>
    expect(await resolveInside(layers, '/etc/abroad/x')).toBe(join(base, 'x')))
  test.each(['/a', '/file/below'])('%s is refused', (path) =>
    expect(resolveInside(layers, path)).rejects.toThrow(ComputeError),
  )
})

test("the host's copied base has no secrets", async () => {
  const [root] = await hostLayers({ folder: base, bases: join(base, 'bases'), rights: 'root', hidden: [base] })
  const etc = join(root?.lower[0] ?? '', 'etc')
  const shadow = await readFile(join(etc, 'shadow'), 'utf8')
  expect(shadow).toMatch(/^root:\*:/)
  expect(shadow.split('\n').filter((line) => line && line.split(':')[1] !== '*')).toEqual([])
  for (const file of ['sudoers', 'ssh/ssh_host_ed25519_key', 'ssh/ssh_host_rsa_key', 'ssl/private'])
    await expect(readFile(join(etc, file))).rejects.toThrow('ENOENT')
  expect(await readFile(join(etc, 'passwd'), 'utf8')).toBe(await readFile('/etc/passwd', 'utf8'))
})

describe('images', async () => {
  const folder = join(base, 'image')
  const driver = sandboxDriver({ folder: join(base, 'c'), endpoint: () => '' })
  afterAll(async () => {
    await driver.removeAll()
    await driver.close()
  })
  const { available, notes } = await driver.probe()
  if (!available) console.log(`skipped: images on the sandbox: ${notes.join(' ')}`)

  beforeAll(async () => {
    // The smallest image that a Debian can make of itself: a shell, cat, and what they load.
    for (const program of ['/bin/sh', '/bin/cat']) {
      const loaded = execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/\S+(?= \()/g) ?? []
      for (const file of [program, ...loaded]) {
        await mkdir(dirname(join(folder, file)), { recursive: true })
        await cp(file, join(folder, file), { dereference: true })
      }
    }
    await mkdir(join(folder, 'etc'))
    await mkdir(join(base, 'empty'))
    await writeFile(join(folder, 'etc/os'), 'tiny\n')
    await chmod(folder, 0o755)
    execFileSync('tar', ['-c', '-C', folder, '-f', join(base, 'image.tar'), '.'])
  })

  const run = async (id: string, image: Image) => {
    const task = await driver.start({
      id,
      kind: 'task',
      image,
      command: ['sh', '-c', 'cat /etc/os /given; echo x > /etc/os; echo $(cat /etc/os) /usr/* /proc/self/stat'],
      env: {},
      files: [{ path: '/given', content: 'given\n' }],
      network: 'host',
    })
    return textOf(task.output())
  }
  test.runIf(available)('an unpacked folder is run, and left as it is', async () => {
    for (const id of ['folder-1', 'folder-2'])
      expect(await run(id, { folder })).toBe('tiny\ngiven\nx /usr/* /proc/self/stat\n')
    expect(await readFile(join(folder, 'etc/os'), 'utf8')).toBe('tiny\n')
  })
  test.runIf(available)('a tarball is unpacked once and run', async () => {
    const image = { tarball: join(base, 'image.tar') }
    for (const id of ['tar-1', 'tar-2']) expect(await run(id, image)).toBe('tiny\ngiven\nx /usr/* /proc/self/stat\n')
  })
  test.runIf(available).each([
    ['no tarball', { tarball: join(base, 'absent.tar') }, 'image'],
    ['no archive', { tarball: join(base, 'image/etc/os') }, 'image'],
    ['an image without a shell', { folder: join(base, 'empty') }, 'host'],
    ["an engine's image", { docker: 'alpine' }, 'unsupported'],
  ] as const)('%s is refused', async (what, image, code) => {
    const id = what.replaceAll(/[^a-z]+/g, '-')
    await expect(run(id, image)).rejects.toMatchObject({ code })
    await driver.remove({ id, driver: 'sandbox', data: {} })
  })
})
