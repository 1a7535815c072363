import { execFile } from 'node:child_process'
import {
  chmod,
  copyFile,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  utimes,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Appspec, type FileExistsBehavior, matchesPattern, type Permission } from '../appspec.ts'
import { CommandFailure } from './failure.ts'
import { readAppspec } from './hooks.ts'
import { type Layout, readOptional, writeWhole } from './layout.ts'
import type { Specification } from './specification.ts'

const run = promisify(execFile)
const refuse = (message: string) => new CommandFailure('UnknownError', message)

/** What an installation will do, known before the first file is touched: paths to their sources, folders, permissions. */
type Plan = {
  readonly copies: Map<string, string>
  readonly folders: Set<string>
  readonly permissions: Map<string, Permission>
}

/**
 * Carries out `files` and `permissions` of the bundle: first takes away what the last installation of this group put
 * there, then copies, then sets owners and modes. Throws CommandFailure; what was copied so far is in the cleanup file.
 */
export const install = async (place: Layout, specification: Specification): Promise<void> => {
  const { DeploymentGroupId, DeploymentId } = specification
  const folder = place.deployment(DeploymentGroupId, DeploymentId)
  const archive = place.archive(folder)
  const appspec = await readAppspec(archive)
  const cleanupFile = place.cleanup(DeploymentGroupId)
  await cleanUp(await readOptional(cleanupFile))
  await rm(cleanupFile, { force: true })

  const behavior = appspec.fileExistsBehavior ?? specification.AgentActionOverrides.AgentOverrides.FileExistsBehavior
  const plan: Plan = { copies: new Map(), folders: new Set(), permissions: new Map() }
  for (const { source, destination } of appspec.files)
    await planFile(plan, join(archive, source), join(place.root, destination), behavior)
  await planPermissions(plan, place, appspec)

  await mkdir(dirname(cleanupFile), { recursive: true })
  const cleanup = await open(cleanupFile, 'w')
  try {
    await carryOut(plan, cleanup)
  } finally {
    await cleanup.close()
  }
  await writeWhole(place.lastSuccessful(DeploymentGroupId), folder)
}

const labelled = 'semanage\0'

/** Removes what a cleanup file lists, last first. A line that was not finished stands for nothing that was made. */
const cleanUp = async (listed: string | undefined): Promise<void> => {
  const lines = (listed ?? '').split('\n').slice(0, -1)
  for (const line of lines.toReversed()) {
    if (line.startsWith(labelled)) {
      await run('semanage', ['fcontext', '-d', line.slice(labelled.length)]).catch(() => {})
      continue
    }
    const found = await lstat(line).catch(() => undefined)
    // A folder that holds what others put there stays.
    if (found?.isDirectory()) await rmdir(line).catch(() => {})
    else if (found) await unlink(line)
  }
}

const planFile = async (plan: Plan, from: string, target: string, behavior: FileExistsBehavior): Promise<void> => {
  const found = await lstat(from).catch(() => undefined)
  if (!found) throw refuse(`No such file or directory - ${from}`)
  await planFolder(plan, target)
  if (found.isDirectory()) await planTree(plan, from, target, behavior)
  else await planCopy(plan, from, join(target, basename(from)), behavior)
}

const planFolder = async (plan: Plan, folder: string): Promise<void> => {
  if (plan.folders.has(folder)) return
  const copied = plan.copies.get(folder)
  if (copied !== undefined)
    throw refuse(
      `The deployment failed because the application specification file includes an mkdir command more than once for the same destination path (${folder}) from (${copied}). Update the files section of the AppSpec file, and then try again.`,
    )
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory()) return
  if (found) throw refuse(`The deployment failed because a specified file already exists at this location: ${folder}.`)
  await planFolder(plan, dirname(folder))
  plan.folders.add(folder)
}

const planTree = async (plan: Plan, from: string, target: string, behavior: FileExistsBehavior): Promise<void> => {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, destination] = [join(from, entry.name), join(target, entry.name)]
    if (entry.isDirectory()) {
      await planFolder(plan, destination)
      await planTree(plan, source, destination, behavior)
    } else await planCopy(plan, source, destination, behavior)
  }
}

const planCopy = async (
  plan: Plan,
  source: string,
  destination: string,
  behavior: FileExistsBehavior,
): Promise<void> => {
  // The cleanup file has a path a line.
  if (destination.includes('\n')) throw refuse(`The name of a file has a line break: ${JSON.stringify(destination)}`)
  const other = plan.copies.get(destination)
  if (other !== undefined)
    throw refuse(
      `The deployment failed because the application specification file specifies two source files named ${source} and ${other} for the same destination (${destination}). Remove one of the source file paths from the AppSpec file, and then try again.`,
    )
  if (plan.folders.has(destination))
    throw refuse(
      `The deployment failed because the application specification file calls for installing the file ${source}, but a file with that name already exists at the location (${destination}). Update your AppSpec file or directory structure, and then try again.`,
    )
  if (await lstat(destination).catch(() => undefined)) {
    if (behavior === 'RETAIN') return
    if (behavior === 'DISALLOW')
      throw refuse(`The deployment failed because a specified file already exists at this location: ${destination}`)
  }
  plan.copies.set(destination, source)
}

/** Which of the files and folders that are installed each permission is for; objects that are not installed have none. */
const planPermissions = async (plan: Plan, place: Layout, { permissions }: Appspec): Promise<void> => {
  for (const permission of permissions) {
    const object = join(place.root, permission.object)
    if (plan.copies.has(object)) {
      if (permission.type.includes('file')) {
        checkFileObject(permission)
        give(plan, object, permission)
      }
    } else if (plan.folders.has(object) || (await stat(object).catch(() => undefined))?.isDirectory())
      for (const path of below(plan, object, permission)) give(plan, path, permission)
  }
}

const checkFileObject = ({ object, pattern, except, acls }: Permission): void => {
  if (pattern !== '**')
    throw refuse(
      `The deployment failed because the application specification file includes an object (${object}) with an invalid pattern (${pattern}), such as a pattern for a file applied to a directory. Correct the permissions section of the AppSpec file, and then try again.`,
    )
  if (except.length > 0)
    throw refuse(
      `The deployment failed because the except parameter for a pattern in the permissions section (${JSON.stringify(except)}) for the object named ${object} contains an invalid format. Update the AppSpec file, and then try again.`,
    )
  checkFileAcl(acls)
}

const checkFileAcl = (acls: Permission['acls']): void => {
  if (acls?.some((acl) => /^d(efault)?:/.test(acl)))
    throw refuse(
      'The deployment failed because the -d parameter has been specified to apply an acl setting to a file. This parameter is supported for directories only. Update the AppSpec file, and then try again.',
    )
}

const below = (plan: Plan, object: string, { pattern, except, type, acls }: Permission): string[] => {
  const start = object === '/' ? object : `${object}/`
  const chosen = (path: string): boolean => {
    const name = path.slice(start.length)
    return (
      path.startsWith(start) && matchesPattern(pattern, name) && !except.some((except) => matchesPattern(except, name))
    )
  }
  const files = type.includes('file') ? [...plan.copies.keys()].filter(chosen) : []
  if (files.length > 0) checkFileAcl(acls)
  return [...files, ...(type.includes('directory') ? [...plan.folders].filter(chosen) : [])]
}

const give = (plan: Plan, path: string, permission: Permission): void => {
  if (plan.permissions.has(path))
    throw refuse(
      `The deployment failed because the permissions setting for (${path}) is specified more than once in the application specification file. Update the files section of the AppSpec file, and then try again.`,
    )
  plan.permissions.set(path, permission)
}

/** Every path is in the cleanup file before it is made, so that an end in the middle leaves nothing unknown behind. */
const carryOut = async ({ copies, folders, permissions }: Plan, cleanup: FileHandle): Promise<void> => {
  for (const folder of folders) {
    await cleanup.write(`${folder}\n`)
    await mkdir(folder)
  }
  for (const [destination, source] of copies) {
    await rm(destination, { recursive: true, force: true })
    await cleanup.write(`${destination}\n`)
    await copyOne(source, destination)
  }
  for (const [path, permission] of permissions) await setOne(path, permission, cleanup)
}

const copyOne = async (source: string, destination: string): Promise<void> => {
  const found = await lstat(source)
  if (found.isSymbolicLink()) return symlink(await readlink(source), destination)
  await copyFile(source, destination)
  await chmod(destination, found.mode & 0o7777)
  await utimes(destination, found.atime, found.mtime)
}

const setOne = async (
  path: string,
  { owner, group, mode, acls, context }: Permission,
  cleanup: FileHandle,
): Promise<void> => {
  const attempt = async (program: string, args: readonly string[]) => {
    try {
      await run(program, args)
    } catch (error) {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() || error.message : error
      const why = missing ? `This machine has no ${program}.` : String(said)
      throw refuse(
        `The deployment failed because of a problem with the permissions settings in the application specification file for this object: ${path}. Failed command: ${[program, ...args].join(' ')}. ${why}`,
      )
    }
  }
  if (mode) await attempt('chmod', [mode, '--', path])
  if (acls) {
    await attempt('setfacl', ['-b', '--', path])
    await attempt('setfacl', ['-m', acls.join(','), '--', path])
  }
  if (context) {
    const { user, type, range } = context
    const object = await realpath(path)
    const flags = [...(user ? ['-s', user] : []), '-t', type, ...(range ? ['-r', range] : [])]
    await attempt('semanage', ['fcontext', '-a', ...flags, object])
    await attempt('restorecon', ['-v', object])
    await cleanup.write(`${labelled}${object}\n`)
  }
  if (owner || group) await attempt('chown', ['-h', `${owner ?? ''}${group ? `:${group}` : ''}`, '--', path])
}
