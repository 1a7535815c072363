import type { ServiceId } from '../../src/kernel/model/clients.ts'
import type { Member, StructureShape } from '../../src/kernel/model/shapes.ts'
import type { Random, Taste } from './random.ts'
import { omit, randomStructure } from './random.ts'

/** Members a client refuses or rewrites unless they look right. */
type Special = (member: Member, random: Random, operation: string) => unknown

const toBoth: { readonly [S in ServiceId]?: Special } = {
  s3: ({ name, shape }, random, operation) => {
    // The client computes what it reads and compares.
    if (/^GetObject/.test(operation) && /^Checksum/.test(name)) return omit
    if (name === 'ChecksumAlgorithm' && shape.kind === 'string') return 'CRC32'
    // An answer without it is taken for an error that came after the status.
    if (name === 'CopyObjectResult' || name === 'CopyPartResult') return { ETag: `"${random.below(1e6)}"` }
    // Part of the host name.
    if (name === 'RequestRoute') return 'io-route'
    if (name === 'Bucket') return `bucket-${random.below(1e6)}`
    return name === 'Key' ? `a/${random.below(1e6)} +ü%/b` : undefined
  },
  // Signed with version 4a, which the client does not have without another package.
  events: ({ name }) => (name === 'EndpointId' ? omit : undefined),
  s3control: ({ name }) =>
    name === 'AccountId' ? '123456789012' : name === 'OutpostId' ? 'op-01ac5d28a6a232904' : undefined,
}

const toBotocore: { readonly [S in ServiceId]?: Special } = {
  // Encoded in base64 on the way out, decoded on the way in.
  ec2: ({ name }, _random, operation) =>
    name === 'UserData' || (operation === 'GetConsoleOutput' && name === 'Output') ? omit : undefined,
  autoscaling: ({ name }) => (name === 'UserData' ? omit : undefined),
  // Everything up to the last slash is cut off ids; counts are text.
  route53: ({ name }, random) =>
    /^(?:Id|HostedZoneId(?:Marker)?|ResourceId|DelegationSetId|ChangeId)$/.test(name)
      ? `Z${random.below(1e6)}`
      : name === 'MaxItems'
        ? omit
        : undefined,
  // Parsed where it is JSON.
  cloudformation: ({ name }, random) => (name === 'TemplateBody' ? `t-${random.below(1e6)}` : undefined),
  iam: ({ name }, random) => (/Document$/.test(name) ? `p-${random.below(1e6)}` : undefined),
  s3: ({ name }, _random, operation) =>
    // A number in one model, text in the other; a length that must be right.
    /^(?:Next)?PartNumberMarker$/.test(name) || (name === 'ContentLength' && operation.startsWith('GetObject'))
      ? omit
      : // Asked for and undone by the client itself.
        name === 'EncodingType'
        ? 'url'
        : undefined,
}

export const specialTo =
  (service: ServiceId, client: 'sdk' | 'botocore'): Special =>
  (member, random, operation) =>
    (client === 'botocore' ? toBotocore[service]?.(member, random, operation) : undefined) ??
    toBoth[service]?.(member, random, operation)

/** An event stream is written from an iterable and read back as one. */
export const streamed = (
  shape: StructureShape,
  output: Record<string, unknown>,
  random: Random,
  taste: Taste,
): void => {
  for (const { name, shape: target } of shape.members)
    if (target.kind === 'structure' && target.streaming) {
      // Exceptions end a stream; they are the errors' business.
      const events = {
        ...target,
        streaming: false,
        members: target.members.filter(({ shape: of }) => !(of.kind === 'structure' && of.error)),
      }
      output[name] = Array.from({ length: 3 }, () => {
        const event = randomStructure(events, random, taste, 'output', '')
        return Object.keys(event).length > 0 ? event : { [events.members.at(-1)!.name]: {} }
      })
    }
}
