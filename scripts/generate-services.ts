// Writes src/kernel/model/services.json: what `identify` must know of every service before its package is loaded.
// Source: the SDK packages themselves, and below what they do not say. Run: node scripts/generate-services.ts
import { writeFileSync } from 'node:fs'
import { clientModules } from '../src/kernel/model/clients.ts'

/** IAM prefix and CloudTrail event source where they are not the signing name (service authorization reference). */
const iamPrefixes: Record<string, string> = { cloudwatch: 'cloudwatch', dynamodbstreams: 'dynamodb' }
const eventSources: Record<string, string> = {
  accessanalyzer: 'access-analyzer.amazonaws.com',
  applicationautoscaling: 'autoscaling.amazonaws.com',
}
/** The S3 family signs with these too; EventBridge has had another target prefix. */
const moreSigningNames: Record<string, string[]> = {
  s3: ['s3express', 's3-outposts', 's3-object-lambda'],
  s3control: ['s3express', 's3-outposts'],
  codestarconnections: ['codeconnections'],
}
/** The same services by another name. */
const moreTargets: Record<string, string[]> = { codestarconnections: ['CodeConnections_20231201'] }
/** Protocols besides the JavaScript SDK's own: what other and older clients of the same service speak. */
const moreProtocols: Record<string, string[]> = { cloudwatch: ['awsQuery', 'rpcv2Cbor'], sqs: ['awsQuery'] }
/** SQS's XML namespace is not in its SDK package; older clients name it. */
const xmlNamespaces: Record<string, string> = { sqs: 'http://queue.amazonaws.com/doc/2012-11-05/' }

type Settings = { version: string; serviceTarget: string; xmlNamespace?: string; awsQueryCompatible?: boolean }
type Client = {
  config: { defaultSigningName: string; protocol: { getShapeId(): string }; protocolSettings: Settings }
}
const isOperation = (value: unknown): value is [9, string, string, { http?: [string, string, number] } | 0] =>
  Array.isArray(value) && value[0] === 9

const table: Record<string, unknown> = {}
for (const [id, load] of Object.entries(clientModules)) {
  const module: Record<string, unknown> = await load()
  const [, make] = Object.entries(module).find(([name]) => name !== '__Client' && name.endsWith('Client'))!
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const client = new (make as new (options: unknown) => Client)({
    region: 'us-east-1',
    endpoint: 'http://localhost',
    credentials,
  })
  const settings = client.config.protocolSettings
  const signing = client.config.defaultSigningName
  const routes = Object.values(module)
    .filter(isOperation)
    .flatMap(([, , name, traits]) =>
      traits !== 0 && traits.http ? [`${traits.http[0]} ${traits.http[1]} ${name}`] : [],
    )
  table[id] = {
    signingNames: [signing, ...(moreSigningNames[id] ?? [])],
    iamPrefix: iamPrefixes[id] ?? signing,
    eventSource: eventSources[id] ?? `${signing}.amazonaws.com`,
    version: settings.version,
    target: settings.serviceTarget,
    moreTargets: moreTargets[id],
    protocols: [client.config.protocol.getShapeId().split('#')[1], ...(moreProtocols[id] ?? [])],
    ...(settings.awsQueryCompatible && { queryCompatible: true }),
    xmlNamespace: settings.xmlNamespace ?? xmlNamespaces[id],
    routes: routes.length ? routes.sort() : undefined,
  }
}
writeFileSync(new URL('../src/kernel/model/services.json', import.meta.url), `${JSON.stringify(table, undefined, 1)}\n`)
