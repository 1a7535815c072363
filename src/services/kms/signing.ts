import { constants, type KeyObject, sign, verify } from 'node:crypto'
import type { SigningAlgorithmSpec } from '@aws-sdk/client-kms'
import {
  type HashName,
  signEcdsa,
  signEd25519ph,
  signPkcs1,
  signPss,
  verifyEcdsa,
  verifyEd25519ph,
  verifyPkcs1,
  verifyPss,
} from './digest-signature.ts'
import { dryRun } from './dry-run.ts'
import { signMu, verifyMu } from './external-mu.ts'
import { checkTokens } from './grants.ts'
import { invalidInput } from './invalid-input.ts'
import { forAlgorithm, forUsage, getKey, keyArn, privateKeyOf, publicKeyOf } from './key.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { signSm2Digest, verifySm2Digest } from './sm2.ts'

/** How one algorithm signs: a whole message, and a digest where the algorithm takes one. */
type Scheme = {
  readonly sign: (key: KeyObject, message: Uint8Array) => Uint8Array
  readonly verify: (key: KeyObject, message: Uint8Array, signature: Uint8Array) => boolean
  readonly digest?: {
    readonly bytes: number
    readonly sign: Scheme['sign']
    readonly verify: Scheme['verify']
  }
  /** Over a message representative, of an algorithm that has one. */
  readonly mu?: Pick<Scheme, 'sign' | 'verify'>
  /** The algorithm is for digests only (Ed25519ph). */
  readonly digestOnly?: boolean
}

/** The message representative of FIPS 204 is 64 bytes long. */
const muBytes = 64

const sizes: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 }

const pkcs1 = (hash: HashName): Scheme => ({
  sign: (key, message) => sign(hash, message, key),
  verify: (key, message, signature) => verify(hash, message, key, signature),
  digest: {
    bytes: sizes[hash],
    sign: (key, digest) => signPkcs1(key, hash, digest),
    verify: (key, digest, signature) => verifyPkcs1(key, hash, digest, signature),
  },
})

const pss = (hash: HashName): Scheme => {
  const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: sizes[hash] }
  return {
    sign: (key, message) => sign(hash, message, { key, ...options }),
    verify: (key, message, signature) => verify(hash, message, { key, ...options }, signature),
    digest: {
      bytes: sizes[hash],
      sign: (key, digest) => signPss(key, hash, digest),
      verify: (key, digest, signature) => verifyPss(key, hash, digest, signature),
    },
  }
}

const ecdsa = (hash: HashName): Scheme => ({
  sign: (key, message) => sign(hash, message, key),
  verify: (key, message, signature) => verify(hash, message, key, signature),
  digest: { bytes: sizes[hash], sign: signEcdsa, verify: verifyEcdsa },
})

const whole: Scheme = {
  sign: (key, message) => sign(null, message, key),
  verify: (key, message, signature) => verify(null, message, key, signature),
}

const schemes: Readonly<Record<SigningAlgorithmSpec, Scheme>> = {
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1('sha256'),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1('sha384'),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1('sha512'),
  RSASSA_PSS_SHA_256: pss('sha256'),
  RSASSA_PSS_SHA_384: pss('sha384'),
  RSASSA_PSS_SHA_512: pss('sha512'),
  ECDSA_SHA_256: ecdsa('sha256'),
  ECDSA_SHA_384: ecdsa('sha384'),
  ECDSA_SHA_512: ecdsa('sha512'),
  ED25519_SHA_512: whole,
  ED25519_PH_SHA_512: {
    ...whole,
    digestOnly: true,
    digest: { bytes: 64, sign: signEd25519ph, verify: verifyEd25519ph },
  },
  SM2DSA: {
    sign: (key, message) => sign('sm3', message, key),
    verify: (key, message, signature) => verify('sm3', message, key, signature),
    digest: { bytes: 32, sign: signSm2Digest, verify: verifySm2Digest },
  },
  ML_DSA_SHAKE_256: { ...whole, mu: { sign: signMu, verify: verifyMu } },
}

/** What signs or verifies this kind of message. Raises ValidationException. */
const schemeFor = ({
  SigningAlgorithm,
  MessageType = 'RAW',
  Message,
}: Pick<Input<'Sign'>, 'SigningAlgorithm' | 'MessageType' | 'Message'>): Pick<Scheme, 'sign' | 'verify'> => {
  const scheme = schemes[SigningAlgorithm]
  if (MessageType === 'EXTERNAL_MU') {
    if (!scheme.mu) throw invalidInput(`MessageType EXTERNAL_MU is not valid for ${SigningAlgorithm}.`)
    if (Message.length !== muBytes) throw invalidInput(`Message representative mu must be ${muBytes} bytes long.`)
    return scheme.mu
  }
  if (MessageType === 'RAW') {
    if (scheme.digestOnly) throw invalidInput(`MessageType RAW is not valid for ${SigningAlgorithm}.`)
    return scheme
  }
  if (!scheme.digest) throw invalidInput(`MessageType DIGEST is not valid for ${SigningAlgorithm}.`)
  if (Message.length !== scheme.digest.bytes)
    throw invalidInput(`Digest is invalid length for algorithm ${SigningAlgorithm}.`)
  return scheme.digest
}

export const Sign: Operation<'Sign'> = async (ctx, input) => {
  const key = forUsage(await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId)), 'SIGN_VERIFY', 'Sign')
  forAlgorithm(key, 'signing', input.SigningAlgorithm)
  checkTokens(ctx, input.GrantTokens)
  const scheme = schemeFor(input)
  dryRun(input)
  return {
    KeyId: keyArn(key),
    Signature: scheme.sign(privateKeyOf(ctx, key), input.Message),
    SigningAlgorithm: input.SigningAlgorithm,
  }
}

/** A wrong signature is an error, never an answer. Raises KMSInvalidSignatureException. */
export const Verify: Operation<'Verify'> = async (ctx, input) => {
  const key = forUsage(await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId)), 'SIGN_VERIFY', 'Verify')
  forAlgorithm(key, 'signing', input.SigningAlgorithm)
  checkTokens(ctx, input.GrantTokens)
  const scheme = schemeFor(input)
  if (!scheme.verify(publicKeyOf(ctx, key), input.Message, input.Signature))
    throw fail('KMSInvalidSignatureException', '')
  dryRun(input)
  return { KeyId: keyArn(key), SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm }
}
