import { type ConnectionOptions, callServer } from './connection.ts'

/** `drydock reset`. */
export const reset = async (options: ConnectionOptions): Promise<void> => {
  await callServer(options, 'POST', '/_drydock/reset')
  console.log('reset: nothing runs, every account is empty')
}
