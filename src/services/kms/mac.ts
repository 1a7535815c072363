import { createHmac, timingSafeEqual } from 'node:crypto'
import type { MacAlgorithmSpec } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { dryRun } from './dry-run.ts'
import { checkTokens } from './grants.ts'
import { bytesOf, forAlgorithm, forUsage, getKey, type KeyRecord, keyArn } from './key.ts'
import { fail, type Operation } from './operation.ts'

const hashes: Readonly<Record<MacAlgorithmSpec, string>> = {
  HMAC_SHA_224: 'sha224',
  HMAC_SHA_256: 'sha256',
  HMAC_SHA_384: 'sha384',
  HMAC_SHA_512: 'sha512',
}

const macKey = async (ctx: Ctx, keyId: string, algorithm: MacAlgorithmSpec, operation: string): Promise<KeyRecord> => {
  const key = forUsage(await ctx.read((tx) => getKey(tx, ctx.place, keyId)), 'GENERATE_VERIFY_MAC', operation)
  return forAlgorithm(key, 'mac', algorithm)
}

const macOf = (ctx: Ctx, key: KeyRecord, algorithm: MacAlgorithmSpec, message: Uint8Array): Buffer =>
  createHmac(hashes[algorithm], bytesOf(ctx, key)).update(message).digest()

export const GenerateMac: Operation<'GenerateMac'> = async (ctx, input) => {
  const key = await macKey(ctx, input.KeyId, input.MacAlgorithm, 'GenerateMac')
  checkTokens(ctx, input.GrantTokens)
  dryRun(input)
  const { MacAlgorithm } = input
  return { Mac: macOf(ctx, key, MacAlgorithm, input.Message), MacAlgorithm, KeyId: keyArn(key) }
}

/** A wrong MAC is an error, never an answer. Raises KMSInvalidMacException. */
export const VerifyMac: Operation<'VerifyMac'> = async (ctx, input) => {
  const key = await macKey(ctx, input.KeyId, input.MacAlgorithm, 'VerifyMac')
  checkTokens(ctx, input.GrantTokens)
  const right = macOf(ctx, key, input.MacAlgorithm, input.Message)
  if (right.length !== input.Mac.length || !timingSafeEqual(right, input.Mac)) throw fail('KMSInvalidMacException', '')
  dryRun(input)
  return { KeyId: keyArn(key), MacValid: true, MacAlgorithm: input.MacAlgorithm }
}
