export type NS = typeof import('@aws-sdk/client-organizations')
