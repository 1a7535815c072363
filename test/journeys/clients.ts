import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Story } from '../story.ts'

export const run = promisify(execFile)

const works = (command: string, ...args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  )

/** Whether the AWS CLI is here; says in one line what is skipped when it is not. */
export const hasCli = async (what: string): Promise<boolean> => {
  const found = await works('aws', '--version')
  if (!found) console.log(`SKIPPED: ${what} with the AWS CLI, because there is no \`aws\` on the path`)
  return found
}

/** Whether boto3 is here; says in one line what is skipped when it is not. */
export const hasBoto3 = async (what: string): Promise<boolean> => {
  const found = await works('python3', '-c', 'import boto3')
  if (!found) console.log(`SKIPPED: ${what} with boto3, because \`python3 -c "import boto3"\` fails`)
  return found
}

/** The environment of a client that knows nothing but this server: no configuration of whoever runs the tests. */
export const clientEnvironment = (drydock: Story, home: string): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  HOME: home,
  PYENV_ROOT: process.env.PYENV_ROOT,
  AWS_ENDPOINT_URL: drydock.endpoint,
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_MAX_ATTEMPTS: '1',
  AWS_PAGER: '',
  NO_PROXY: '127.0.0.1,localhost',
})

/** The same, signed as root. */
export const rootEnvironment = (drydock: Story, home: string): Record<string, string | undefined> => ({
  ...clientEnvironment(drydock, home),
  AWS_ACCESS_KEY_ID: drydock.root.accessKeyId,
  AWS_SECRET_ACCESS_KEY: drydock.root.secretAccessKey,
  AWS_REGION: 'us-east-1',
})
