// `npm run test:fuzz -- --cases N --seed S --only service,service`: the contract tests of the wire in their long form.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '25' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
  },
})
const root = join(import.meta.dirname, '..')
console.log(`${values.cases} cases an operation, seed ${values.seed}`)
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'vitest'), ['run', join(root, 'test', 'fuzz')], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
    FUZZ_CASES: values.cases,
    FUZZ_SEED: values.seed,
    ...(values.only && { FUZZ_ONLY: values.only }),
  },
})
process.exitCode = status ?? 1
