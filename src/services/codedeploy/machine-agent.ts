import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MachineAgent } from '../capabilities.ts'

const source = fileURLToPath(new URL('../..', import.meta.url))
const home = '/opt/codedeploy-agent'

/** Packages the agent needs inside a machine. */
const packages = ['yaml', 'yauzl', 'yazl', 'pend', 'buffer-crc32']

const require = createRequire(import.meta.url)
/** Where a package is installed: some hide their manifest, so its entry file leads there. */
const folderOf = (name: string): string => {
  let folder = dirname(require.resolve(name))
  while (!folder.endsWith(join('node_modules', name))) folder = dirname(folder)
  return folder
}

/** The agent as every machine gets it: the sources that it needs and no more, read-only, run by the mounted Node. */
export const codedeployAgent = (): MachineAgent => ({
  name: 'codedeploy-agent',
  mounts: [
    ...['services/codedeploy/agent', 'services/codedeploy/appspec.ts', 'archives/zip.ts', 'kernel/signature.ts'].map(
      (path) => ({
        source: join(source, path),
        target: `${home}/src/${path}`,
      }),
    ),
    ...packages.map((name) => ({ source: folderOf(name), target: `${home}/node_modules/${name}` })),
  ],
  env: {},
  command: [
    '/opt/drydock/node/node',
    '--disable-warning=ExperimentalWarning',
    `${home}/src/services/codedeploy/agent/main.ts`,
  ],
})
