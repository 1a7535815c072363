import { execFile } from 'node:child_process'
import { chmod, copyFile, lstat, mkdir, readdir, readlink, rm, rmdir, symlink, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { type Appspec, type FileExistsBehavior, matchesPattern, type Permission } from '../appspec.ts'
import { CommandFailure } from './failure.ts'
import { readAppspec } from './hooks.ts'
import { type Layout, readOptional, writeWhole } from './layout.ts'
import type { Specification } from './specification.ts'

const run = promisify(execFile)

/**
 * Carries out `files` and `permissions` of the bundle: first takes away what the last installation of this group put
 * there, then copies, then sets owners and modes. Throws CommandFailure; what was copied so far is in the cleanup file.
 */
export const install = async (place: Layout, specification: Specification): Promise<void> => {
  const { DeploymentGroupId, DeploymentId } = specification
  const folder = place.deployment(DeploymentGroupId, DeploymentId)
  const archive = place.archive(folder)
  const appspec = await readAppspec(archive)
  const behavior = appspec.fileExistsBehavior ?? specification.FileExistsBehavior
  const cleanupFile = place.cleanup(DeploymentGroupId)
  await cleanUp(await readOptional(cleanupFile))

  const done: string[] = []
  try {
    for (const { source, destination } of appspec.files) {
      const from = join(archive, source)
      const found = await lstat(from).catch(() => undefined)
      if (!found) throw new CommandFailure('UnknownError', `No such file or directory - ${from}`)
      const target = join(place.root, destination)
      if (found.isDirectory()) await copyTree(from, target, behavior, done)
      else {
        await makeFolder(target, done)
        await copyOne(from, join(target, relative(dirname(from), from)), behavior, done)
      }
    }
    await setPermissions(place, appspec, done)
  } finally {
    await writeWhole(cleanupFile, done.join('\n'))
  }
  await writeWhole(place.lastSuccessful(DeploymentGroupId), folder)
}

const cleanUp = async (listed: string | undefined): Promise<void> => {
  const paths = (listed ?? '').split('\n').filter((path) => path !== '')
  for (const path of paths.toReversed()) {
    const found = await lstat(path).catch(() => undefined)
    if (found?.isDirectory()) await rmdir(path).catch(() => {})
    else if (found) await unlink(path)
  }
}

const makeFolder = async (folder: string, done: string[]): Promise<void> => {
  if (await lstat(folder).catch(() => undefined)) return
  await makeFolder(dirname(folder), done)
  await mkdir(folder)
  done.push(folder)
}

const copyTree = async (from: string, target: string, behavior: FileExistsBehavior, done: string[]): Promise<void> => {
  await makeFolder(target, done)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, destination] = [join(from, entry.name), join(target, entry.name)]
    if (entry.isDirectory()) await copyTree(source, destination, behavior, done)
    else await copyOne(source, destination, behavior, done)
  }
}

const copyOne = async (
  source: string,
  destination: string,
  behavior: FileExistsBehavior,
  done: string[],
): Promise<void> => {
  const present = await lstat(destination).catch(() => undefined)
  if (present) {
    if (behavior === 'RETAIN') return
    if (behavior === 'DISALLOW')
      throw new CommandFailure(
        'UnknownError',
        `The deployment failed because a specified file already exists at this location: ${destination}`,
      )
    await rm(destination, { recursive: true })
  }
  done.push(destination)
  const found = await lstat(source)
  if (found.isSymbolicLink()) return symlink(await readlink(source), destination)
  await copyFile(source, destination)
  await chmod(destination, found.mode & 0o7777)
}

/** Sets owner, group, mode, ACLs and SELinux context on what was installed, as the `permissions` section says. */
const setPermissions = async (place: Layout, { permissions }: Appspec, installed: readonly string[]): Promise<void> => {
  for (const permission of permissions) {
    const object = join(place.root, permission.object)
    for (const path of await chosen(object, permission, installed)) await setOne(path, permission)
  }
}

const chosen = async (object: string, permission: Permission, installed: readonly string[]): Promise<string[]> => {
  const base = await lstat(object).catch(() => undefined)
  if (!base) throw new CommandFailure('UnknownError', `No such file or directory - ${object}`)
  if (!base.isDirectory()) return permission.type.includes('file') ? [object] : []
  const kinds = await Promise.all(
    installed
      .filter((path) => path === object || path.startsWith(`${object}/`))
      .map(async (path) => ({ path, isFolder: (await lstat(path)).isDirectory() })),
  )
  return kinds
    .filter(({ path, isFolder }) => {
      const name = relative(object, path)
      if (!permission.type.includes(isFolder ? 'directory' : 'file')) return false
      if (name === '') return permission.pattern === '**'
      return (
        matchesPattern(permission.pattern, name) && !permission.except.some((except) => matchesPattern(except, name))
      )
    })
    .map(({ path }) => path)
}

const setOne = async (path: string, { owner, group, mode, acls, context }: Permission): Promise<void> => {
  const attempt = async (program: string, args: readonly string[]) => {
    try {
      await run(program, [...args, path])
    } catch (error) {
      const why =
        error instanceof Error && 'stderr' in error ? String(error.stderr).trim() || error.message : String(error)
      throw new CommandFailure('UnknownError', `${program} ${args.join(' ')} ${path} failed: ${why}`)
    }
  }
  if (mode) await attempt('chmod', [mode, '--'])
  if (owner || group) await attempt('chown', ['-h', `${owner ?? ''}${group ? `:${group}` : ''}`, '--'])
  if (acls) await attempt('setfacl', ['--set', acls.join(','), '--'])
  if (context) {
    const flags = Object.entries({ u: context.user, t: context.type, l: context.range }).flatMap(([flag, value]) =>
      value ? [`-${flag}`, value] : [],
    )
    await attempt('chcon', flags)
  }
}
