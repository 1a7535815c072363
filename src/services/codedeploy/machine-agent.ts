import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { packageFolder, runsSources } from '../../package.ts'
import type { MachineAgent } from '../capabilities.ts'

const home = '/opt/codedeploy-agent'

/** Packages that the agent's sources need inside a machine. */
const packages = ['yaml', 'yauzl', 'yazl', 'pend', 'buffer-crc32']

const require = createRequire(import.meta.url)
/** Where a package is installed: some hide their manifest, so its entry file leads there. */
const folderOf = (name: string): string => {
  let folder = dirname(require.resolve(name))
  while (!folder.endsWith(join('node_modules', name))) folder = dirname(folder)
  return folder
}

const sources = () => [
  ...['services/codedeploy/agent', 'services/codedeploy/appspec.ts', 'archives/zip.ts', 'kernel/signature.ts'].map(
    (path) => ({ source: join(packageFolder, 'src', path), target: `${home}/src/${path}` }),
  ),
  ...packages.map((name) => ({ source: folderOf(name), target: `${home}/node_modules/${name}` })),
]

const built = 'dist/codedeploy-agent.mjs'

/** The agent as every machine gets it: what it needs and no more, read-only, run by the mounted Node. */
export const codedeployAgent = (): MachineAgent => ({
  name: 'codedeploy-agent',
  mounts: runsSources ? sources() : [{ source: join(packageFolder, built), target: `${home}/${built}` }],
  env: {},
  command: [
    '/opt/drydock/node/node',
    '--disable-warning=ExperimentalWarning',
    `${home}/${runsSources ? 'src/services/codedeploy/agent/main.ts' : built}`,
  ],
})
