import type { Parameter as WireParameter } from '@aws-sdk/client-ssm'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { fail, invalid } from './operation.ts'
import { parameterArn } from './parameter.ts'

export const referencePrefix = '/aws/reference/secretsmanager/'

/**
 * A secret by the name of a parameter, read with the caller's own rights ("Referencing AWS Secrets Manager secrets from
 * Parameter Store parameters"). Raises ParameterNotFound, ValidationException, and what Secrets Manager denies.
 */
export const referenced = async (
  ctx: Ctx,
  name: string,
  selector: string | undefined,
  decrypt: boolean | undefined,
): Promise<WireParameter> => {
  if (!decrypt) throw invalid('WithDecryption flag must be True for retrieving a Secret Manager secret.')
  const SecretId = name.slice(referencePrefix.length)
  const version =
    selector === undefined
      ? {}
      : /^[0-9a-f-]{32,64}$/.test(selector)
        ? { VersionId: selector }
        : { VersionStage: selector }
  try {
    const secret = await ctx.as(ctx.principal).secretsmanager.getSecretValue({ SecretId, ...version })
    const result = { ...secret }
    return {
      Name: name,
      Type: 'SecureString',
      Value: secret.SecretString ?? Buffer.from(secret.SecretBinary ?? []).toString('base64'),
      Version: 0,
      ...(selector === undefined ? {} : { Selector: `:${selector}` }),
      SourceResult: JSON.stringify({ ...result, SecretString: undefined, SecretBinary: undefined }),
      LastModifiedDate: secret.CreatedDate,
      ARN: parameterArn(ctx, name),
      DataType: 'text',
    }
  } catch (error) {
    if (error instanceof AwsError && error.code === 'ResourceNotFoundException')
      throw fail(
        'ParameterNotFound',
        `An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret ${name} not found.`,
      )
    throw error
  }
}
