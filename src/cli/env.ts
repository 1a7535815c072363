import { type ConnectionOptions, callServer, connection } from './connection.ts'

/** `drydock env`: the lines for `eval "$(drydock env)"`. */
export const env = async (options: ConnectionOptions): Promise<void> => {
  const health = (await callServer(options, 'GET', '/_drydock/health')) as { region: string }
  const { endpoint, accessKeyId, secretAccessKey } = connection(options)
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
