import type { Capabilities } from '../compute/driver.ts'
import { type ConnectionOptions, callServer } from './connection.ts'

type Status = {
  version: string
  account: string
  region: string
  auth: string
  data: string
  warning?: string
  compute: Capabilities[]
  doors: { port: number; about: string }[]
  services: Record<string, { state: string; lacks?: string }>
}

/** `drydock status`: what runs, what this host can do, what is missing and how to get it. */
export const status = async (options: ConnectionOptions & { json?: boolean }): Promise<void> => {
  const found = (await callServer(options, 'GET', '/_drydock/status')) as Status
  if (options.json) return console.log(JSON.stringify(found, null, 2))
  console.log(
    `drydock ${found.version}, account ${found.account}, region ${found.region}, auth ${found.auth}, data ${found.data}`,
  )
  if (found.warning) console.log(`! ${found.warning}`)
  for (const { port, about } of found.doors) console.log(`port ${port}: ${about}`)
  for (const driver of found.compute) {
    console.log(
      `\n${driver.driver}: ${driver.available ? `available, isolation ${driver.isolation}` : 'not available'}`,
    )
    if (driver.available)
      console.log(
        `  images ${driver.images.join(', ')}; machines ${yes(driver.machines)}; own addresses ${yes(driver.addresses)}; reach each other ${yes(driver.peers)}; limits ${yes(driver.limits)}; privileged ${yes(driver.privileged)}; builds in a network of their own ${yes(driver.outbound)}`,
      )
    for (const note of driver.notes) console.log(`  ${note}`)
    for (const { program, adds, install } of driver.missing) console.log(`  missing ${program}: ${adds} (${install})`)
  }
  console.log('\nservices')
  for (const [id, { state, lacks }] of Object.entries(found.services))
    console.log(`  ${id.padEnd(16)} ${state}${lacks ? `: ${lacks}` : ''}`)
}

const yes = (value: boolean) => (value ? 'yes' : 'no')
