import { table } from './store.ts'

/** What the crash test's child has written and said so. */
export const Acknowledged = table<{ name: string; blob: string; position: number }>('test.acknowledged', {
  scope: 'region',
  key: ({ name }) => name,
  index: { blob: ({ blob }) => blob },
})
