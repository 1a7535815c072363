import { createPublicKey, decapsulate, diffieHellman, encapsulate, type KeyObject } from 'node:crypto'
import { dryRun, refuseRecipient } from './dry-run.ts'
import { checkTokens } from './grants.ts'
import { invalidInput } from './invalid-input.ts'
import { forUsage, getKey, keyArn, privateKeyOf, publicKeyOf, toMetadata, usable } from './key.ts'
import { fail, type Operation } from './operation.ts'

/** The other side's public key, which must be on the same curve. Raises ValidationException. */
const peerKey = (der: Uint8Array, own: KeyObject): KeyObject => {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve === own.asymmetricKeyDetails?.namedCurve) return key
  } catch {
    // Said below, as for a key of another curve.
  }
  throw invalidInput('The public key is invalid or not on the curve of the KMS key.')
}

/** The raw secret of elliptic curve Diffie-Hellman: its x coordinate. */
export const DeriveSharedSecret: Operation<'DeriveSharedSecret'> = async (ctx, input) => {
  refuseRecipient(input)
  const found = await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId))
  const key = forUsage(found, 'KEY_AGREEMENT', 'DeriveSharedSecret')
  checkTokens(ctx, input.GrantTokens)
  const privateKey = privateKeyOf(ctx, key)
  const publicKey = peerKey(input.PublicKey, privateKey)
  dryRun(input)
  return {
    KeyId: keyArn(key),
    SharedSecret: diffieHellman({ privateKey, publicKey }),
    KeyAgreementAlgorithm: input.KeyAgreementAlgorithm,
    KeyOrigin: key.origin,
  }
}

/** A fresh secret, and its ciphertext under the public key (ML-KEM, FIPS 203). */
export const Encapsulate: Operation<'Encapsulate'> = async (ctx, input) => {
  const found = await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId))
  const key = forUsage(found, 'ENCAPSULATE_DECAPSULATE', 'Encapsulate')
  checkTokens(ctx, input.GrantTokens)
  dryRun(input)
  const { sharedKey, ciphertext } = encapsulate(publicKeyOf(ctx, key))
  return {
    KeyId: keyArn(key),
    SharedSecret: sharedKey,
    SharedSecretCiphertextBlob: ciphertext,
    EncapsulationAlgorithm: input.EncapsulationAlgorithm,
  }
}

export const Decapsulate: Operation<'Decapsulate'> = async (ctx, input) => {
  const found = await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId))
  const key = forUsage(found, 'ENCAPSULATE_DECAPSULATE', 'Decapsulate')
  checkTokens(ctx, input.GrantTokens)
  let secret: Buffer
  try {
    secret = decapsulate(privateKeyOf(ctx, key), input.SharedSecretCiphertextBlob)
  } catch {
    throw fail('InvalidCiphertextException', '')
  }
  dryRun(input)
  return { KeyId: keyArn(key), SharedSecret: secret, EncapsulationAlgorithm: input.EncapsulationAlgorithm }
}

/** SubjectPublicKeyInfo, DER. Raises UnsupportedOperationException for symmetric keys. */
export const GetPublicKey: Operation<'GetPublicKey'> = async (ctx, input) => {
  const key = usable(await ctx.read((tx) => getKey(tx, ctx.place, input.KeyId)))
  if (key.spec === 'SYMMETRIC_DEFAULT' || key.spec.startsWith('HMAC'))
    throw fail('UnsupportedOperationException', `${keyArn(key)} key spec is ${key.spec} which has no public key.`)
  checkTokens(ctx, input.GrantTokens)
  const { KeySpec, KeyUsage, CustomerMasterKeySpec, ...metadata } = toMetadata(key)
  return {
    KeyId: keyArn(key),
    PublicKey: publicKeyOf(ctx, key).export({ type: 'spki', format: 'der' }),
    CustomerMasterKeySpec,
    KeySpec,
    KeyUsage,
    EncryptionAlgorithms: metadata.EncryptionAlgorithms,
    SigningAlgorithms: metadata.SigningAlgorithms,
    KeyAgreementAlgorithms: metadata.KeyAgreementAlgorithms,
    EncapsulationAlgorithms: metadata.EncapsulationAlgorithms,
  }
}
