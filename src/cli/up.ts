import { type ConfigInput, readConfig } from '../config.ts'
import { startServer } from '../server.ts'

/** `drydock up`: serves until SIGINT or SIGTERM, then drains. Prints one line on standard output when it is ready. */
export const up = async (options: ConfigInput): Promise<void> => {
  const server = await startServer(await readConfig(options, process.env))
  console.log(`drydock ready ${server.endpoint}`)
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
  await server.close()
}
