import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { callServer } from '../../src/cli/connection.ts'
import { seeded } from '../fuzz/random.ts'
import { alarms } from './alarms.ts'
import { batches } from './batches.ts'
import { commands, lacksMachines } from './commands.ts'
import { builds, commits, deliveries, pipelines, pushes } from './delivery.ts'
import { deployments } from './deployments.ts'
import { gates } from './gates.ts'
import { replicas } from './replicas.ts'
import { reviews } from './reviews.ts'
import { startProcess } from './server-process.ts'
import { annotations, dataPoints, identities, logLines, objects } from './storage.ts'
import { trailLogs } from './trail.ts'
import { type Actor, clientsOf, isBroken, type World } from './world.ts'

export type CrashOptions = {
  readonly rounds: number
  readonly seed: number
  /** Longest time between a start and its kill, in milliseconds. */
  readonly longest?: number
  /** Names of the actors that travel; all of them unless told. */
  readonly only?: readonly string[]
  readonly say?: (line: string) => void
}

export type CrashReport = {
  readonly kills: number
  readonly acts: Readonly<Record<string, number>>
  readonly wrong: readonly string[]
}

/**
 * The journey: many actors at once, and a server that dies under them at random moments, again and again. Returns what
 * is not as it was acknowledged; nothing, if all is well.
 */
export const crash = async ({
  rounds,
  seed,
  longest = 1200,
  only,
  say = () => undefined,
}: CrashOptions): Promise<CrashReport> => {
  const random = seeded(seed)
  const folder = mkdtempSync(join(tmpdir(), 'drydock-crash-'))
  const data = join(folder, 'data')
  const lack = await lacksMachines()
  if (lack !== undefined) console.log(`Skipped: commands to machines that outlive the server. ${lack}`)
  const all: Actor[] = [
    objects(),
    annotations(),
    logLines(),
    dataPoints(),
    identities(),
    commits(),
    pushes(),
    reviews(),
    deliveries(),
    builds(),
    batches(),
    pipelines(),
    gates(),
    trailLogs(),
    replicas(),
    alarms(),
    deployments(),
    ...(lack === undefined ? [commands()] : []),
  ]
  const actors = all.filter(({ name }) => !only || only.includes(name))
  const acts: Record<string, number> = {}
  const wrong: string[] = []
  let numbers = 0
  let port = '0'
  let kills = 0
  let alive = true

  const start = async () => {
    const server = await startProcess(['--port', port, '--data', data])
    port = new URL(server.endpoint).port
    const world: World = {
      aws: clientsOf(server.endpoint),
      endpoint: server.endpoint,
      random,
      next: () => ++numbers,
      folder,
      alive: () => alive,
    }
    return { server, world }
  }
  const letGo = ({ aws }: World) => {
    for (const client of Object.values(aws)) client.destroy()
  }
  const errorsOf = (text: string) => text.split('\n').filter((line) => /^\S+ error /.test(line))
  const check = async (world: World, round: string, everything: boolean) => {
    const look = async (actor: Actor): Promise<string[]> => {
      const began = performance.now()
      try {
        return await actor.check(world, everything)
      } catch (error) {
        return [`${actor.name} cannot be checked: ${error instanceof Error ? `${error.name} ${error.message}` : error}`]
      } finally {
        if (everything) say(`${actor.name} looked at in ${Math.round(performance.now() - began)} ms`)
      }
    }
    const found = await Promise.all(actors.map(look))
    for (const line of found.flat()) wrong.push(`${round}: ${line}`)
  }

  let { server, world } = await start()
  try {
    for (const actor of actors) await actor.setUp?.(world)
    for (let round = 1; round <= rounds && wrong.length === 0; round++) {
      const pause = 150 + random.below(longest)
      alive = true
      const travel = async (actor: Actor) => {
        while (alive) {
          await actor.act(world).catch((error: unknown) => {
            if (!isBroken(error))
              wrong.push(
                `round ${round}: ${actor.name}: ${error instanceof Error ? `${error.name} ${error.message}` : error}`,
              )
          })
          acts[actor.name] = (acts[actor.name] ?? 0) + 1
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      const travelling = Promise.all(actors.map(travel))
      await new Promise((resolve) => setTimeout(resolve, pause))
      const complaints = server.complaints()
      const died = server.signal('SIGKILL')
      alive = false
      await died
      kills += 1
      await travelling
      letGo(world)
      for (const line of errorsOf(complaints)) wrong.push(`round ${round}: the server said: ${line}`)
      const began = performance.now()
      ;({ server, world } = await start())
      const up = Math.round(performance.now() - began)
      alive = true
      await check(world, `round ${round}`, false)
      const checked = Math.round(performance.now() - began) - up
      say(`round ${round}: killed after ${pause} ms, up again in ${up} ms, checked in ${checked} ms`)
    }
    const ending = performance.now()
    await check(world, 'at the end', true)
    say(`everything checked in ${Math.round(performance.now() - ending)} ms`)
    // What no row came to name is swept a while after it was uploaded.
    await callServer({ endpoint: server.endpoint }, 'POST', '/_drydock/clock', { advance: 20 * 60_000 })
    for (const line of errorsOf(server.complaints())) wrong.push(`at the end: the server said: ${line}`)
    letGo(world)
    const code = await server.signal('SIGTERM')
    if (code !== 0) wrong.push(`at the end: SIGTERM ended the server with code ${code}`)
    wrong.push(...orphans(data).map((id) => `at the end: blob ${id} belongs to nothing`))
    ;({ server, world } = await start())
    await callServer({ endpoint: server.endpoint }, 'POST', '/_drydock/reset')
  } finally {
    letGo(world)
    for (const actor of actors) actor.tearDown?.()
    await server.signal('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }
  return { kills, acts, wrong }
}

/** Blobs that no row names, and uploads that never became blobs. */
const orphans = (data: string): string[] => {
  const db = new Database(join(data, 'rows.db'), { readonly: true })
  const rows = db.prepare<[], { value: string }>('SELECT key || value AS value FROM row').all()
  db.close()
  const named = new Set(rows.flatMap(({ value }) => value.match(/[0-9a-f]{32}/g) ?? []))
  const blobs = join(data, 'blobs')
  return readdirSync(blobs).flatMap((fan) =>
    readdirSync(join(blobs, fan)).filter((id) => fan === 'tmp' || !named.has(id)),
  )
}
