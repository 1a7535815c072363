import type { Coverage } from '../coverage.ts'
import { CliError, type ConnectionOptions, callServer } from './connection.ts'

/** `drydock coverage [SERVICE]`. */
export const coverage = async (
  service: string | undefined,
  options: ConnectionOptions & { json?: boolean },
): Promise<void> => {
  const all = (await callServer(options, 'GET', '/_drydock/coverage')) as Coverage
  if (options.json) return console.log(JSON.stringify(service ? all[service] : all, null, 2))
  if (service) {
    const one = all[service]
    if (!one) throw new CliError(`no service ${service}; there are ${Object.keys(all).join(', ')}`)
    for (const [name, { state, missing }] of Object.entries(one.operations))
      if (state !== 'absent') console.log(`${state.padEnd(8)} ${name}${missing ? `: ${missing}` : ''}`)
    console.log(`${one.absent} operations are absent and answer 501 NotImplemented`)
    return
  }
  console.log(`${'service'.padEnd(16)}${'real'.padStart(6)}${'partial'.padStart(9)}${'absent'.padStart(8)}`)
  for (const [name, { real, partial, absent }] of Object.entries(all))
    console.log(
      `${name.padEnd(16)}${String(real).padStart(6)}${String(partial).padStart(9)}${String(absent).padStart(8)}`,
    )
}
