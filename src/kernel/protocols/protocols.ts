import type { Protocol } from '../wire.ts'
import { awsJson1_0, awsJson1_1 } from './aws-json.ts'
import { awsQuery, ec2Query } from './query.ts'
import { restJson1 } from './rest-json.ts'
import { restXml } from './rest-xml.ts'
import { rpcv2Cbor } from './rpc-v2-cbor.ts'

/** Every protocol of the wire by its name. */
export const protocols: { readonly [N in Protocol['name']]: Protocol } = {
  awsJson1_0,
  awsJson1_1,
  restJson1,
  restXml,
  awsQuery,
  ec2Query,
  rpcv2Cbor,
}
