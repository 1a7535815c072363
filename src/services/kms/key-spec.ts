import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type {
  EncryptionAlgorithmSpec,
  KeySpec,
  KeyUsageType,
  MacAlgorithmSpec,
  SigningAlgorithmSpec,
} from '@aws-sdk/client-kms'

/** What keys of a spec are for ("Key spec reference", KMS developer guide). */
export type SpecFacts = {
  readonly usages: readonly KeyUsageType[]
  readonly encryption?: readonly EncryptionAlgorithmSpec[]
  readonly signing?: readonly SigningAlgorithmSpec[]
  readonly mac?: readonly MacAlgorithmSpec[]
  /** Symmetric material: its length in bytes, and the lengths that may be imported. */
  readonly bytes?: { readonly own: number; readonly least: number; readonly most: number }
  /** Asymmetric material: how Node names the key. */
  readonly pair?: { readonly type: string; readonly options: object }
}

const rsaSigning = [
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
] as const

const rsa = (modulusLength: number): SpecFacts => ({
  usages: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  encryption: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
  signing: rsaSigning,
  pair: { type: 'rsa', options: { modulusLength } },
})

const curve = (namedCurve: string, algorithm: SigningAlgorithmSpec, agrees = true): SpecFacts => ({
  usages: agrees ? ['SIGN_VERIFY', 'KEY_AGREEMENT'] : ['SIGN_VERIFY'],
  signing: [algorithm],
  pair: { type: 'ec', options: { namedCurve } },
})

const hmac = (algorithm: MacAlgorithmSpec, own: number, least: number): SpecFacts => ({
  usages: ['GENERATE_VERIFY_MAC'],
  mac: [algorithm],
  bytes: { own, least, most: 128 },
})

const lattice = (type: string, usage: KeyUsageType): SpecFacts => ({
  usages: [usage],
  ...(usage === 'SIGN_VERIFY' ? { signing: ['ML_DSA_SHAKE_256'] } : {}),
  pair: { type, options: {} },
})

export const keySpecs: Readonly<Record<KeySpec, SpecFacts>> = {
  SYMMETRIC_DEFAULT: {
    usages: ['ENCRYPT_DECRYPT'],
    encryption: ['SYMMETRIC_DEFAULT'],
    bytes: { own: 32, least: 32, most: 32 },
  },
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: curve('prime256v1', 'ECDSA_SHA_256'),
  ECC_NIST_P384: curve('secp384r1', 'ECDSA_SHA_384'),
  ECC_NIST_P521: curve('secp521r1', 'ECDSA_SHA_512'),
  ECC_SECG_P256K1: curve('secp256k1', 'ECDSA_SHA_256', false),
  ECC_NIST_EDWARDS25519: {
    usages: ['SIGN_VERIFY'],
    signing: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
    pair: { type: 'ed25519', options: {} },
  },
  SM2: {
    usages: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY', 'KEY_AGREEMENT'],
    encryption: ['SM2PKE'],
    signing: ['SM2DSA'],
    pair: { type: 'ec', options: { namedCurve: 'SM2' } },
  },
  HMAC_224: hmac('HMAC_SHA_224', 28, 28),
  HMAC_256: hmac('HMAC_SHA_256', 32, 32),
  HMAC_384: hmac('HMAC_SHA_384', 48, 48),
  HMAC_512: hmac('HMAC_SHA_512', 64, 64),
  ML_DSA_44: lattice('ml-dsa-44', 'SIGN_VERIFY'),
  ML_DSA_65: lattice('ml-dsa-65', 'SIGN_VERIFY'),
  ML_DSA_87: lattice('ml-dsa-87', 'SIGN_VERIFY'),
  ML_KEM_512: lattice('ml-kem-512', 'ENCAPSULATE_DECAPSULATE'),
  ML_KEM_768: lattice('ml-kem-768', 'ENCAPSULATE_DECAPSULATE'),
  ML_KEM_1024: lattice('ml-kem-1024', 'ENCAPSULATE_DECAPSULATE'),
}

type Generate = (type: string, options: object) => Promise<{ publicKey: Uint8Array; privateKey: Uint8Array }>
const generate = promisify(generateKeyPair) as unknown as Generate

/** A new key pair: SubjectPublicKeyInfo and PKCS #8, both DER. */
export const newPair = (pair: NonNullable<SpecFacts['pair']>): ReturnType<Generate> =>
  generate(pair.type, {
    ...pair.options,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })

/** New key material of a spec: raw bytes of a symmetric key, PKCS #8 of an asymmetric one. */
export const newMaterial = async ({ bytes, pair }: SpecFacts): Promise<Uint8Array> =>
  pair ? (await newPair(pair)).privateKey : randomBytes(bytes?.own ?? 32)
