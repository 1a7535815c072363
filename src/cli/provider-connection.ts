import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { CliError, type ConnectionOptions, callServer } from './connection.ts'

/** A token from a file, or from standard input (`-`): never an argument, which every process of the machine can read. */
const tokenFrom = async (file: string): Promise<string> => {
  const content = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: unknown) => {
    throw new CliError(`the token cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  })
  const token = content.trim()
  if (token === '') throw new CliError(`${file === '-' ? 'standard input' : file} holds no token`)
  return token
}

type CompleteOptions = ConnectionOptions & { readonly tokenFile: string; readonly user?: string; readonly url?: string }

/** `drydock connection complete ARN`: what on AWS is a login at the provider in the console. */
export const complete = async (arn: string, { tokenFile, user, url, endpoint }: CompleteOptions): Promise<void> => {
  const body = { arn, token: await tokenFrom(tokenFile), ...(user ? { user } : {}), ...(url ? { url } : {}) }
  const path = '/_drydock/codestarconnections/connection'
  const { login } = (await callServer(endpoint ? { endpoint } : {}, 'POST', path, body)) as { login: string }
  console.log(`${arn} is available, as ${login}`)
}

/** `drydock connection host ARN`: sets up the host of a provider that is installed somewhere. */
export const setUpHost = async (arn: string, options: ConnectionOptions): Promise<void> => {
  await callServer(options, 'POST', '/_drydock/codestarconnections/host', { arn })
  console.log(`${arn} is available`)
}
