import { type ConnectionOptions, callServer, connection } from './connection.ts'

type AccessKey = { readonly accessKeyId: string; readonly secretAccessKey: string }

/** `drydock env`: the lines for `eval "$(drydock env)"`; with `account` as the root user of that one. */
export const env = async (options: ConnectionOptions & { account?: string }): Promise<void> => {
  const { account } = options
  const health = (await callServer(options, 'GET', '/_drydock/health')) as { region: string }
  const { endpoint, ...own } = await connection(options)
  const { accessKeyId, secretAccessKey } =
    account === undefined
      ? own
      : ((await callServer(options, 'POST', '/_drydock/credentials', { account })) as AccessKey)
  const lines = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: health.region,
    AWS_DEFAULT_REGION: health.region,
    // Live tail is asked at `stream-` before the host's name, which names no host here.
    AWS_DISABLE_HOST_PREFIX_INJECTION: 'true',
  }
  for (const [name, value] of Object.entries(lines)) console.log(`export ${name}=${value}`)
}
