import type { ActionKind } from './action.ts'

/**
 * Waits for PutApprovalResult, seven days unless told. "Add a manual approval action to a stage", CodePipeline user
 * guide.
 */
export const manualApproval: ActionKind = {
  category: 'Approval',
  provider: 'Manual',
  properties: [
    { name: 'CustomData', required: false, description: 'What the reviewer should know.' },
    { name: 'ExternalEntityLink', required: false, description: 'The URL of what is to be reviewed.' },
    { name: 'NotificationArn', required: false, description: 'The topic to notify.' },
  ],
  inputs: [0, 0],
  outputs: [0, 0],
  timeoutMinutes: 7 * 24 * 60,
  timeoutSettable: true,
  atHome: true,
  check: ({ configuration = {} }) =>
    configuration.NotificationArn === undefined
      ? undefined
      : 'NotificationArn is not implemented by Drydock: there is no Amazon SNS yet',
  start: async ({ ctx, configuration }) => ({
    state: 'running',
    token: ctx.newId(),
    ...(configuration.ExternalEntityLink ? { external: { url: configuration.ExternalEntityLink } } : {}),
  }),
}
