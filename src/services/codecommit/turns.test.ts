import { expect, it } from 'vitest'
import { turns } from './turns.ts'

it('runs so many at a time, in the order they came, whatever becomes of them', async () => {
  const inTurn = turns(2)
  const order: number[] = []
  let [running, most] = [0, 0]
  const runs = [0, 1, 2, 3, 4, 5].map((number) =>
    inTurn(async () => {
      most = Math.max(most, ++running)
      order.push(number)
      await Promise.resolve()
      running--
      if (number % 2) throw new Error(`${number} failed`)
      return number
    }),
  )
  const outcomes = await Promise.allSettled(runs)
  expect(outcomes.map(({ status }) => status)).toEqual(Array(3).fill(['fulfilled', 'rejected']).flat())
  expect(order).toEqual([0, 1, 2, 3, 4, 5])
  expect(most).toBe(2)
})
