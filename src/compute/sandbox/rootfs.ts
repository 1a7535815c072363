import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { existsSync, readFileSync } from 'node:fs'
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { Image } from '../driver.ts'
import { ComputeError } from '../driver.ts'
import type { Rights } from './host.ts'
import { run, userNamespace } from './host.ts'

/** Host folders a task sees, each under a writable layer of its own. `/etc` is not among them: it is copied, without secrets. */
const SYSTEM_FOLDERS = ['/usr', '/opt', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/var/lib/dpkg']

/** Files of /etc that stay out although anybody may read them. What not everybody may read stays out anyway. */
const SECRET =
  /^(\.?netrc|\.git-credentials|credentials?|shadow-?|gshadow-?|sudoers|passwd-|group-)$|^ssh_host_|\.(key|credentials?|secrets?|token)$/

const NOT_COPIED = new Set(['/etc/docker', '/etc/kubernetes', '/etc/ssl/private', '/etc/sudoers.d'])

/** Folders of the root file system that start empty. */
const EMPTY: readonly (readonly [path: string, mode: number])[] = [
  ['dev', 0o755],
  ['home', 0o755],
  ['media', 0o755],
  ['mnt', 0o755],
  ['proc', 0o755],
  ['root', 0o700],
  ['run', 0o755],
  ['run/lock', 0o1777],
  ['srv', 0o755],
  ['sys', 0o755],
  ['tmp', 0o1777],
  ['usr', 0o755],
  ['opt', 0o755],
  ['var', 0o755],
  ['var/backups', 0o755],
  ['var/cache', 0o755],
  ['var/cache/apt', 0o755],
  ['var/cache/apt/archives', 0o755],
  ['var/cache/apt/archives/partial', 0o755],
  ['var/lib', 0o755],
  ['var/lib/apt', 0o755],
  ['var/lib/apt/lists', 0o755],
  ['var/lib/apt/lists/partial', 0o755],
  ['var/lib/dpkg', 0o755],
  ['var/local', 0o755],
  ['var/log', 0o755],
  ['var/mail', 0o755],
  ['var/opt', 0o755],
  ['var/spool', 0o755],
  ['var/tmp', 0o1777],
]

/** One overlay: where it is mounted below the root, and what it is made of, topmost first. */
export type Layer = { readonly at: string; readonly lower: readonly string[] }
/** What a root file system is made of; the first layer is `/`. */
export type Layers = readonly Layer[]

const isFolder = async (path: string) => (await lstat(path).catch(() => undefined))?.isDirectory() ?? false

const makeFolder = async (path: string, mode: number) => {
  await mkdir(path, { recursive: true })
  await chmod(path, mode)
}

/** What tells one state of the host's /etc from another, as far as tasks care. */
const fingerprint = async (rights: Rights): Promise<string> => {
  const hash = createHash('sha256').update(`4 ${rights}`)
  for (const path of [
    '/etc',
    '/etc/passwd',
    '/etc/group',
    '/etc/ld.so.cache',
    '/etc/alternatives',
    '/etc/ssl/certs',
    '/usr/bin',
    '/usr/lib',
  ]) {
    const found = await stat(path).catch(() => undefined)
    hash.update(`${path} ${found?.mtimeMs ?? 0}\n`)
  }
  return hash.digest('hex').slice(0, 12)
}

/** Copies what everybody may read and no name gives away as secret; links as they are, nothing that is no file. */
const copyReadable = async (source: string, target: string): Promise<void> => {
  const { mode } = await stat(source)
  await mkdir(target, { recursive: true, mode: mode & 0o7777 })
  const copy = async ({ name }: { name: string }) => {
    const from = join(source, name)
    const to = join(target, name)
    const found = await lstat(from)
    if (found.isSymbolicLink()) return symlink(await readlink(from), to)
    if ((found.mode & 0o004) === 0 || SECRET.test(name) || NOT_COPIED.has(from)) return
    if (found.isDirectory()) return copyReadable(from, to)
    if (found.isFile()) await copyFile(from, to)
  }
  await Promise.all((await readdir(source, { withFileTypes: true })).map(copy))
}

/** Copies /etc without what is secret: what not everybody may read, and what looks like a credential. */
const copyEtc = async (target: string) => {
  await copyReadable('/etc', target)
  // Programs that change passwords insist on these files: every password is locked.
  const names = (file: string) =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .map((line) => line.split(':')[0])
          .filter(Boolean)
      : []
  for (const [file, text] of [
    ['shadow', names('/etc/passwd').map((name) => `${name}:*:19000:0:99999:7:::\n`)],
    ['gshadow', names('/etc/group').map((name) => `${name}:*::\n`)],
  ] as const) {
    await writeFile(join(target, file), text.join(''), { mode: 0o640 })
  }
  // Links out of /etc (resolv.conf to /run) lead nowhere inside.
  for (const file of ['resolv.conf', 'hosts', 'hostname']) await rm(join(target, file), { force: true })
}

/** How deep below a system folder an ordinary user's root may add files, and where that is not worth a folder each. */
const DEPTH = 3
const MANY = new Set(['doc', 'locale', 'src', 'zoneinfo'])

/**
 * Copies only the upper folders of a tree, owned by us: over the tree they make it a place where root inside may add,
 * replace and remove files although the tree's owner is not mapped.
 */
const copyFolders = async (source: string, target: string, depth = DEPTH): Promise<void> => {
  await mkdir(target, { recursive: true })
  if (depth === 0) return
  const entries = await readdir(source, { withFileTypes: true }).catch(() => [])
  await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => copyFolders(join(source, name), join(target, name), MANY.has(name) ? 0 : depth - 1)),
  )
}

export type LayerParts = {
  /** The driver's folder: unpacked tarballs are kept below it. */
  readonly folder: string
  /** Where the copied base of the host's system is kept. */
  readonly bases: string
  readonly rights: Rights
  /** Host folders that no task may see. */
  readonly hidden: readonly string[]
}

/**
 * The layers of the host's own system: a small copied base, and the system folders as they are. `hidden` are host
 * folders that must not be seen (Drydock's data): a system folder that contains one is left out.
 */
export const hostLayers = async ({ bases, rights, hidden }: LayerParts): Promise<Layers> => {
  const base = join(bases, await fingerprint(rights))
  const system: string[] = []
  const links: [string, string][] = []
  for (const path of SYSTEM_FOLDERS) {
    const found = await lstat(path).catch(() => undefined)
    if (found?.isSymbolicLink()) links.push([path, await readlink(path)])
    else if (found?.isDirectory() && !hidden.some((secret) => secret === path || secret.startsWith(`${path}/`)))
      system.push(path)
  }
  if (!(await isFolder(base))) {
    await mkdir(bases, { recursive: true })
    const making = await mkdtemp(join(bases, 'making-'))
    await chmod(making, 0o755)
    const root = join(making, 'root')
    await makeFolder(root, 0o755)
    for (const [path, mode] of EMPTY) await makeFolder(join(root, path), mode)
    for (const path of system) await mkdir(join(root, path), { recursive: true })
    for (const [path, target] of links) await symlink(target, join(root, path))
    await symlink('/run', join(root, 'var/run'))
    await symlink('/run/lock', join(root, 'var/lock'))
    await copyEtc(join(root, 'etc'))
    if (rights !== 'root') for (const path of system) await copyFolders(path, join(making, 'folders', path))
    await rename(making, base).catch(async (error: NodeJS.ErrnoException) => {
      await rm(making, { recursive: true, force: true })
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  }
  return [
    { at: '/', lower: [join(base, 'root')] },
    ...system.map((path) => ({ at: path, lower: rights === 'root' ? [path] : [join(base, 'folders', path), path] })),
  ]
}

/** The folder of an unpacked tarball; unpacked once per content (path, size, time) with the owners it names. */
const unpack = async (folder: string, rights: Rights, tarball: string): Promise<string> => {
  const found = await stat(tarball).catch(() => undefined)
  if (!found?.isFile()) throw new ComputeError('image', `There is no tarball ${tarball}.`)
  const name = createHash('sha256')
    .update(`${tarball} ${found.size} ${found.mtimeMs} ${rights}`)
    .digest('hex')
    .slice(0, 16)
  const target = join(folder, 'images', name)
  if (await isFolder(target)) return target
  await mkdir(join(folder, 'images'), { recursive: true })
  const making = await mkdtemp(join(folder, 'images', 'making-'))
  await chmod(making, 0o755)
  const owners = rights === 'single' ? ['--no-same-owner'] : ['--same-owner', '--numeric-owner']
  const tar = ['tar', '-x', '-p', ...owners, '--exclude=dev/*', '--exclude=./dev/*', '-C', making, '-f', tarball]
  const [program = '', ...args] = rights === 'root' ? tar : ['unshare', ...userNamespace(rights), ...tar]
  const { code, stderr } = await run(program, args, { timeout: 600_000 })
  if (code !== 0) {
    await removeTree(making, rights)
    throw new ComputeError('image', `${tarball} could not be unpacked: ${stderr.trim().split('\n')[0]}`)
  }
  await rename(making, target).catch(async () => removeTree(making, rights))
  return target
}

/** The layers an image gives. Rejects with `ComputeError('image')` for an image that is not there. */
export const imageLayers = async (parts: LayerParts, image: Image): Promise<Layers> => {
  const { folder, rights } = parts
  if ('host' in image) return hostLayers(parts)
  if ('tarball' in image) return [{ at: '/', lower: [await unpack(folder, rights, image.tarball)] }]
  if ('folder' in image) {
    const root = await realpath(image.folder).catch(() => undefined)
    if (!root || !(await isFolder(root))) throw new ComputeError('image', `There is no image folder ${image.folder}.`)
    return [{ at: '/', lower: [root] }]
  }
  throw new ComputeError('unsupported', `The image ${image.docker} needs a container engine; the sandbox has none.`)
}

/** Deletes a tree, also what belongs to the subordinate users of an ordinary user. */
export const removeTree = async (path: string, rights: Rights): Promise<void> => {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (rights === 'root') throw error
    const { code, stderr } = await run('unshare', [...userNamespace(rights), 'rm', '-rf', '--one-file-system', path], {
      timeout: 600_000,
    })
    if (code !== 0) throw new Error(`${path} could not be removed: ${stderr.trim().split('\n')[0]}`)
  }
}

/** A layer as it will be mounted: the folders it is made of, the writable one first. */
export type Mounted = { readonly at: string; readonly stack: readonly string[] }

/** Where a path is found before anything is mounted: upper layers first, a whiteout ends the search. */
const find = async (layers: readonly Mounted[], path: string): Promise<{ file: string; found: Stats } | undefined> => {
  const layer = layers
    .filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`))
    .reduce((best, one) => (one.at.length >= best.at.length ? one : best))
  for (const folder of layer.stack) {
    const file = join(folder, layer.at === '/' ? path : path.slice(layer.at.length))
    const found = await lstat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      // A folder that only its owner inside may read: nothing below it can be trusted to be no link.
      throw new ComputeError('host', `${path} cannot be looked at from outside: ${error.message}`)
    })
    if (found?.isCharacterDevice() && found.rdev === 0) return undefined
    if (found) return { file, found }
  }
  return undefined
}

/**
 * Where a path leads inside a root file system that is not mounted yet, symbolic links followed within it. The guest
 * may have planted links; what this returns passes through none, so it can be used from outside.
 */
export const resolveInside = async (layers: readonly Mounted[], path: string): Promise<string> => {
  let rest = posix.resolve('/', path).split('/').filter(Boolean)
  let at = '/'
  for (let hops = 0; rest.length > 0; ) {
    const [name = '', ...more] = rest
    const next = posix.join(at, name)
    const entry = await find(layers, next)
    if (entry?.found.isSymbolicLink()) {
      if (++hops > 40) throw new ComputeError('image', `Too many symbolic links in ${path}.`)
      const target = posix.resolve(at, await readlink(entry.file))
      rest = [...target.split('/').filter(Boolean), ...more]
      at = '/'
      continue
    }
    if (entry && more.length > 0 && !entry.found.isDirectory())
      throw new ComputeError('image', `${next} is not a directory in the image.`)
    at = next
    rest = more
  }
  return at
}

/** Options that a bind mount of this path must keep: in a user namespace they are locked. */
export const lockedOptions = async (path: string): Promise<readonly string[]> => {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  let best = ''
  let options = ''
  for (const line of table.split('\n')) {
    const fields = line.split(' ')
    const at = (fields[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const covers = at === '/' || path === at || path.startsWith(`${at}/`)
    if (at && covers && at.length >= best.length) {
      best = at
      options = fields[5] ?? ''
    }
  }
  return options.split(',').filter((option) => ['nosuid', 'nodev', 'noexec', 'ro'].includes(option))
}
