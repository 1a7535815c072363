import { defineService } from '../../kernel/service.ts'
import { awsManagedKeys, publicImages } from '../capabilities.ts'
import {
  DeleteParameter,
  DeleteParameters,
  DescribeParameters,
  GetParameter,
  GetParameterHistory,
  GetParameters,
  GetParametersByPath,
} from './get.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { Parameter, ParameterVersion } from './parameter.ts'
import { policies } from './policies.ts'
import { LabelParameterVersion, PutParameter, UnlabelParameterVersion } from './put.ts'
import { AddTagsToResource, ListTagsForResource, RemoveTagsFromResource } from './tags.ts'

/** Systems Manager: Parameter Store. */
export const service = defineService<NS>()({
  id: 'ssm',
  tables: [Parameter, ParameterVersion],
  operations: {
    ...{ PutParameter, GetParameter, GetParameters, GetParametersByPath, GetParameterHistory, DescribeParameters },
    ...{ DeleteParameter, DeleteParameters, LabelParameterVersion, UnlabelParameterVersion },
    ...{ AddTagsToResource, RemoveTagsFromResource, ListTagsForResource },
  },
  partial: {
    AddTagsToResource: 'Only parameters are here to be tagged.',
    RemoveTagsFromResource: 'Only parameters are here to be tagged.',
    ListTagsForResource: 'Only parameters are here to be tagged.',
    DescribeParameters: 'Parameters that other accounts share are refused.',
    GetParameter: 'Of the public parameters those whose image this host stands for.',
    GetParameters: 'Of the public parameters those whose image this host stands for.',
    GetParametersByPath: 'Of the public parameters those whose image this host stands for.',
    PutParameter: 'Data type aws:ssm:integration is refused.',
  },
  access,
  reconcilers: [policies],
  uses: [awsManagedKeys, publicImages],
})
