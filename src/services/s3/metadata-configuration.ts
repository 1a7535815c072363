import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { Bucket, type BucketRecord, bucketOf } from './bucket.ts'
import { deliverer, delivererKey, type MetadataDocument, metadataTables, type TableState } from './metadata-journal.ts'
import { fail, type Input, malformedXml, type Operation, type Output } from './operation.ts'

// Which metadata tables a bucket has ("Configuring metadata tables", S3 user guide). They are made once the call has answered;
// that their making was not allowed is told by their state.

type Addressed = Parameters<typeof bucketOf>[2]
type Journal = Input<'CreateBucketMetadataConfiguration'>['MetadataConfiguration']['JournalTableConfiguration']
type Encryption = Journal['EncryptionConfiguration']

const notFound = () => fail('MetadataConfigurationNotFound', 'The metadata configuration was not found.')
const notAllowed = () => fail('MethodNotAllowed', 'The specified method is not allowed against this resource.')

const getDocument = async (tx: ReadTx, bucket: BucketRecord): Promise<MetadataDocument> => {
  const document = await metadataTables.find(tx, bucket)
  if (!document) throw notFound()
  return document
}

const leastDays = 7

/** Throws MalformedXML, InvalidRequest. */
const daysOf = ({ RecordExpiration: asked }: Pick<Journal, 'RecordExpiration'>): { days?: number } => {
  if (asked?.Expiration !== 'ENABLED' && asked?.Expiration !== 'DISABLED') throw malformedXml()
  if (asked.Expiration === 'DISABLED') {
    if (asked.Days !== undefined)
      throw fail('InvalidRequest', 'Days can only be specified when record expiration is enabled.')
    return {}
  }
  const { Days: days } = asked
  if (days === undefined || !Number.isInteger(days) || days < leastDays)
    throw fail('InvalidRequest', `Journal table records must be retained for a minimum of ${leastDays} days.`)
  return { days }
}

/** Throws MalformedXML, InvalidRequest. */
const kmsKeyOf = (asked: Encryption): { kmsKey?: string } => {
  if (!asked) return {}
  const { SseAlgorithm, KmsKeyArn } = asked
  if (SseAlgorithm !== 'AES256' && SseAlgorithm !== 'aws:kms') throw malformedXml()
  if ((SseAlgorithm === 'aws:kms') !== (KmsKeyArn !== undefined))
    throw fail('InvalidRequest', 'A KMS key ARN must be specified for aws:kms, and only for it.')
  if (KmsKeyArn !== undefined && !/^arn:aws[-a-z0-9]*:kms:[-a-z0-9]*:\d{12}:key\/.+$/.test(KmsKeyArn))
    throw fail('InvalidRequest', 'The KMS key must be specified by its ARN.')
  return KmsKeyArn === undefined ? {} : { kmsKey: KmsKeyArn }
}

const accessDenied = {
  code: 'AccessDeniedCreatingResources',
  message:
    "You don't have sufficient permissions to create the required resources. Make sure that you have s3tables:CreateTableBucket, s3tables:CreateNamespace, s3tables:CreateTable, s3tables:GetTable, s3tables:PutTablePolicy, kms:DescribeKey, and s3tables:PutTableEncryption permissions. Additionally, ensure that the KMS key used to encrypt the table still exists, is active and has a resource policy granting access to the S3 service principals 'maintenance.s3tables.amazonaws.com' and 'metadata.s3.amazonaws.com'. To create a new metadata table, you must delete the metadata configuration for this bucket, and then create a new metadata configuration.",
}

/** Whether the caller may make such a table: with his rights it is made. */
const mayMake = async (
  ctx: Ctx,
  { destination, namespace }: Pick<MetadataDocument, 'destination' | 'namespace'>,
  { kmsKey }: { readonly kmsKey?: string },
  managed: boolean,
): Promise<boolean> => {
  const keys = { 's3tables:namespace': [namespace] }
  try {
    if (managed) await ctx.authorize('s3tables:CreateTableBucket', destination)
    await ctx.authorize('s3tables:CreateNamespace', destination, keys)
    await ctx.authorize('s3tables:CreateTable', destination, keys)
    for (const action of ['GetTable', 'PutTablePolicy', ...(kmsKey === undefined ? [] : ['PutTableEncryption'])])
      await ctx.authorize(`s3tables:${action}`, `${destination}/table/*`, keys)
    if (kmsKey === undefined) return true
    const { KeyMetadata } = await ctx.as(ctx.principal, { region: ctx.region }).kms.describeKey({ KeyId: kmsKey })
    return KeyMetadata?.KeyManager === 'CUSTOMER' && KeyMetadata.KeyState === 'Enabled'
  } catch (error) {
    if (error instanceof AwsError && (error.status ?? 400) < 500) return false
    throw error
  }
}

const newState = (ctx: Ctx, name: string, allowed: boolean, key: { kmsKey?: string }): TableState => ({
  id: ctx.newId(),
  name,
  ...key,
  ...(allowed ? { status: 'CREATING' as const } : { status: 'FAILED' as const, error: accessDenied }),
})

const wake = (tx: WriteTx, bucket: BucketRecord, { id }: MetadataDocument): void =>
  tx.wake(deliverer, delivererKey(bucket.name, id), { at: { account: bucket.account, region: bucket.region } })

const begin = (ctx: Ctx, input: Addressed, document: MetadataDocument): Promise<Record<string, never>> =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (await metadataTables.find(tx, bucket))
      throw fail('MetadataConfigurationAlreadyExists', 'The metadata configuration already exists.')
    tx.put(Bucket, metadataTables.put(tx, bucket, document))
    wake(tx, bucket, document)
    return {}
  })

const destinationOf = ({ account, region, name }: BucketRecord) => ({
  destination: `arn:aws:s3tables:${region}:${account}:bucket/aws-s3`,
  namespace: `b_${name.replaceAll('.', '_')}`,
})

/** Throws MalformedXML, InvalidRequest, MetadataConfigurationAlreadyExists; 501 for annotation tables. */
export const CreateBucketMetadataConfiguration: Operation<'CreateBucketMetadataConfiguration'> = async (ctx, input) => {
  const asked = input.MetadataConfiguration
  if (asked.AnnotationTableConfiguration?.ConfigurationState === 'ENABLED')
    throw notImplemented('annotation tables of S3 Metadata')
  const { JournalTableConfiguration: journal, InventoryTableConfiguration: inventory } = asked
  if (!journal || (inventory && !/^(EN|DIS)ABLED$/.test(inventory.ConfigurationState ?? ''))) throw malformedXml()
  const expiration = daysOf(journal)
  const keys = {
    journal: kmsKeyOf(journal.EncryptionConfiguration),
    inventory: kmsKeyOf(inventory?.EncryptionConfiguration),
  }
  const bucket = await ctx.read((tx) => bucketOf(ctx, tx, input))
  const place = destinationOf(bucket)
  const enabled = inventory?.ConfigurationState === 'ENABLED'
  const allowed =
    (await mayMake(ctx, place, keys.journal, true)) && (!enabled || (await mayMake(ctx, place, keys.inventory, true)))
  return begin(ctx, input, {
    id: ctx.newId(),
    version: 2,
    ...place,
    journal: newState(ctx, 'journal', allowed, keys.journal),
    ...expiration,
    ...(enabled ? { inventory: { enabled, ...newState(ctx, 'inventory', allowed, keys.inventory) } } : {}),
  })
}

/** The first version: one table of changes, in a table bucket of one's own. */
export const CreateBucketMetadataTableConfiguration: Operation<'CreateBucketMetadataTableConfiguration'> = async (
  ctx,
  input,
) => {
  const asked = input.MetadataTableConfiguration.S3TablesDestination
  if (!asked?.TableBucketArn || !asked.TableName) throw malformedXml()
  if (!/^[a-z0-9](?:[0-9a-z_]{0,253}[a-z0-9])?$/.test(asked.TableName))
    throw fail('InvalidRequest', 'The specified table name is not valid.')
  await ctx.read((tx) => bucketOf(ctx, tx, input))
  const place = { destination: asked.TableBucketArn, namespace: 'aws_s3_metadata' }
  const journal = newState(ctx, asked.TableName, await mayMake(ctx, place, {}, false), {})
  return begin(ctx, input, { id: ctx.newId(), version: 1, ...place, journal })
}

const toError = ({ error }: TableState) =>
  error ? { Error: { ErrorCode: error.code, ErrorMessage: error.message } } : {}

const toState = (state: TableState) => ({
  TableStatus: state.status,
  ...toError(state),
  TableName: state.name,
  ...(state.arn === undefined ? {} : { TableArn: state.arn }),
})

const toExpiration = (days: number | undefined) =>
  days === undefined ? { Expiration: 'DISABLED' as const } : { Expiration: 'ENABLED' as const, Days: days }

/** Of both versions. Throws MetadataConfigurationNotFound. */
export const GetBucketMetadataConfiguration: Operation<'GetBucketMetadataConfiguration'> = async (ctx, input) => {
  const document = await ctx.read(async (tx) => getDocument(tx, await bucketOf(ctx, tx, input)))
  const { version, destination, namespace, journal, inventory, days } = document
  const result: Output<'GetBucketMetadataConfiguration'>['GetBucketMetadataConfigurationResult'] = {
    MetadataConfigurationResult: {
      DestinationResult: {
        TableBucketType: version === 1 ? 'customer' : 'aws',
        TableBucketArn: destination,
        TableNamespace: namespace,
      },
      JournalTableConfigurationResult: { ...toState(journal), RecordExpiration: toExpiration(days) },
      InventoryTableConfigurationResult: inventory
        ? { ConfigurationState: inventory.enabled ? 'ENABLED' : 'DISABLED', ...toState(inventory) }
        : { ConfigurationState: 'DISABLED' },
    },
  }
  return { GetBucketMetadataConfigurationResult: result }
}

/** Of the first version only. Throws MetadataConfigurationNotFound, MethodNotAllowed. */
export const GetBucketMetadataTableConfiguration: Operation<'GetBucketMetadataTableConfiguration'> = async (
  ctx,
  input,
) => {
  const document = await ctx.read(async (tx) => getDocument(tx, await bucketOf(ctx, tx, input)))
  if (document.version !== 1) throw notAllowed()
  const { destination, namespace, journal } = document
  return {
    GetBucketMetadataTableConfigurationResult: {
      MetadataTableConfigurationResult: {
        S3TablesDestinationResult: {
          TableBucketArn: destination,
          TableName: journal.name,
          TableArn: journal.arn,
          TableNamespace: namespace,
        },
      },
      Status: journal.status,
      ...toError(journal),
    },
  }
}

/** The tables stay, and are no longer written. */
const remove = (ctx: Ctx, input: Addressed, check: (document: MetadataDocument) => void) =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const document = await getDocument(tx, bucket)
    check(document)
    tx.put(Bucket, await metadataTables.remove(tx, bucket))
    wake(tx, bucket, document)
    return {}
  })

/** Of both versions. Throws MetadataConfigurationNotFound. */
export const DeleteBucketMetadataConfiguration: Operation<'DeleteBucketMetadataConfiguration'> = (ctx, input) =>
  remove(ctx, input, () => undefined)

/** Of the first version only. Throws MetadataConfigurationNotFound, MethodNotAllowed. */
export const DeleteBucketMetadataTableConfiguration: Operation<'DeleteBucketMetadataTableConfiguration'> = (
  ctx,
  input,
) =>
  remove(ctx, input, ({ version }) => {
    if (version !== 1) throw notAllowed()
  })

/** Throws MetadataConfigurationNotFound; MethodNotAllowed for a configuration of the first version. */
const update = (
  ctx: Ctx,
  input: Addressed,
  how: (document: MetadataDocument) => MetadataDocument,
): Promise<Record<string, never>> =>
  ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    const document = await getDocument(tx, bucket)
    if (document.version !== 2) throw notAllowed()
    tx.put(Bucket, metadataTables.put(tx, bucket, how(document)))
    wake(tx, bucket, document)
    return {}
  })

export const UpdateBucketMetadataJournalTableConfiguration: Operation<
  'UpdateBucketMetadataJournalTableConfiguration'
> = (ctx, input) => {
  const expiration = daysOf(input.JournalTableConfiguration)
  return update(ctx, input, ({ days: _, ...document }) => ({ ...document, ...expiration }))
}

/** Enabled again, an inventory is a new table: the old one must be gone. */
export const UpdateBucketMetadataInventoryTableConfiguration: Operation<
  'UpdateBucketMetadataInventoryTableConfiguration'
> = async (ctx, input) => {
  const { ConfigurationState, EncryptionConfiguration } = input.InventoryTableConfiguration
  if (ConfigurationState !== 'ENABLED' && ConfigurationState !== 'DISABLED') throw malformedXml()
  const enabled = ConfigurationState === 'ENABLED'
  const key = kmsKeyOf(EncryptionConfiguration)
  const bucket = await ctx.read((tx) => bucketOf(ctx, tx, input))
  const allowed = !enabled || (await mayMake(ctx, destinationOf(bucket), key, true))
  return update(ctx, input, (document) => {
    const { inventory } = document
    if (!enabled) return inventory ? { ...document, inventory: { ...inventory, enabled } } : document
    if (inventory?.enabled) return document
    return { ...document, inventory: { enabled, ...newState(ctx, 'inventory', allowed, key) } }
  })
}
