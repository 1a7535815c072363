import { type ConnectionOptions, callServer } from './connection.ts'

/** `drydock snapshot save|restore NAME`. */
export const snapshot = async (action: 'save' | 'restore', name: string, options: ConnectionOptions): Promise<void> => {
  await callServer(options, 'POST', '/_drydock/snapshot', { action, name })
  console.log(`snapshot ${name} ${action === 'save' ? 'saved' : 'restored'}`)
}
