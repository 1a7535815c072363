// `npm run test:crash -- --rounds N --seed S --only ACTOR,…`: the long form. Prints the seed, so that a failure can be looked at again.
import { parseArgs } from 'node:util'
import { crash } from './harness.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    seed: { type: 'string' },
    only: { type: 'string' },
    longest: { type: 'string', default: '1200' },
  },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
console.log(`seed ${seed}`)
const { kills, acts, wrong } = await crash({
  rounds: Number(values.rounds),
  seed,
  longest: Number(values.longest),
  ...(values.only ? { only: values.only.split(',') } : {}),
  say: console.log,
})
console.log(
  `${kills} kills; ${Object.entries(acts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}`,
)
for (const line of wrong) console.error(line)
console.log(wrong.length === 0 ? 'nothing acknowledged was lost' : `${wrong.length} wrong (seed ${seed})`)
process.exitCode = wrong.length === 0 ? 0 : 1
