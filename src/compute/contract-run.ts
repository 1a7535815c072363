// Runs the contract on the sandbox in a process of its own: `contract-run.ts <scratch folder>`. So the suite, run by
// root, also sees what an ordinary user gets. One JSON line per case.

import { join } from 'node:path'
import { CASES, runCase } from './contract.ts'
import { sandboxDriver } from './sandbox.ts'

export type Outcome = { readonly name: string; readonly lacks?: string; readonly error?: string }

const scratch = process.argv[2]
if (!scratch) throw new Error('contract-run.ts <scratch folder>')
for (const one of CASES) {
  let outcome: Outcome
  try {
    const lacks = await runCase(one, {
      scratch: join(scratch, 's'),
      image: { host: true },
      make: (folder, door) =>
        sandboxDriver({ folder, bases: join(scratch, 'bases'), door, endpoint: () => 'http://127.0.0.1:4566' }),
    })
    outcome = { name: one.name, ...(lacks === undefined ? {} : { lacks }) }
  } catch (error) {
    outcome = { name: one.name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  console.log(JSON.stringify(outcome))
}
