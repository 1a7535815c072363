import type { ActionDeclaration } from '../operation.ts'
import type { ActionKind, WorkerJob } from './action.ts'

/** A day, unless the type says otherwise ("Quotas in CodePipeline"). */
const timeoutMinutes = 24 * 60

/** A job for a worker that polls for jobs of its type. */
export const newJob = (newId: () => string, type: string): WorkerJob => ({ id: newId(), type, status: 'Queued' })

/** Actions of the account's own types and of third parties': a worker fetches them, and says how they ended. */
export const jobWorker = ({ category, owner, provider, version }: ActionDeclaration['actionTypeId']): ActionKind => ({
  category,
  provider,
  properties: [],
  inputs: [0, 10],
  outputs: [0, 10],
  timeoutMinutes,
  takesClones: true,
  start: async ({ ctx, role }) => {
    // Whoever polls is given the role's credentials: a role that cannot be assumed is told now, to the pipeline's author.
    await (await role()).principal()
    const job = newJob(() => ctx.newId(), `${owner}/${category}/${provider}/${version}`)
    return { state: 'running', job: owner === 'ThirdParty' ? { ...job, client: ctx.newId() } : job }
  },
})
