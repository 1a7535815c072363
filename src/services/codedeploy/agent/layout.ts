import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Where things lie in this machine, as CodeDeploy's own agent lays them. `root` is `/`, or a folder in tests. */
export const layout = (root: string) => {
  const home = join(root, 'opt/codedeploy-agent')
  const deployments = join(home, 'deployment-root')
  const instructions = join(deployments, 'deployment-instructions')
  return {
    root,
    deployments,
    group: (groupId: string) => join(deployments, groupId),
    deployment: (groupId: string, deploymentId: string) => join(deployments, groupId, deploymentId),
    archive: (folder: string) => join(folder, 'deployment-archive'),
    scriptLog: (folder: string) => join(folder, 'logs', 'scripts.log'),
    deploymentLog: join(deployments, 'deployment-logs', 'codedeploy-agent-deployments.log'),
    mostRecent: (groupId: string) => join(instructions, `${groupId}_most_recent_install`),
    lastSuccessful: (groupId: string) => join(instructions, `${groupId}_last_successful_install`),
    cleanup: (groupId: string) => join(instructions, `${groupId}-cleanup`),
  }
}
export type Layout = ReturnType<typeof layout>

/** Replaces a small file in one step. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

/** A small file's text, or `undefined` when there is none. */
export const readOptional = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)
