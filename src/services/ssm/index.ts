import { defineService } from '../../kernel/service.ts'
import { awsManagedKeys, buildEnvironments, machines, publicImages } from '../capabilities.ts'
import { Command, Invocation } from './command.ts'
import { GetCommandInvocation, ListCommandInvocations, ListCommands } from './command-lists.ts'
import { commands } from './command-run.ts'
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
import { DescribeInstanceInformation } from './managed-instances.ts'
import type { NS } from './operation.ts'
import { Parameter, ParameterVersion } from './parameter.ts'
import { policies } from './policies.ts'
import { LabelParameterVersion, PutParameter, UnlabelParameterVersion } from './put.ts'
import { CancelCommand, SendCommand } from './send-command.ts'
import { Session } from './session.ts'
import { dataChannel } from './session-channel.ts'
import {
  DescribeSessions,
  GetConnectionStatus,
  ResumeSession,
  StartSession,
  sessions,
  TerminateSession,
} from './sessions.ts'
import { DeleteResourcePolicy, GetResourcePolicies, PutResourcePolicy } from './sharing.ts'
import { AddTagsToResource, ListTagsForResource, RemoveTagsFromResource } from './tags.ts'

/** Systems Manager: Parameter Store, Run Command's shell scripts and Session Manager's sessions on EC2's machines. */
export const service = defineService<NS>()({
  id: 'ssm',
  tables: [Parameter, ParameterVersion, Command, Invocation, Session],
  operations: {
    ...{ PutParameter, GetParameter, GetParameters, GetParametersByPath, GetParameterHistory, DescribeParameters },
    ...{ DeleteParameter, DeleteParameters, LabelParameterVersion, UnlabelParameterVersion },
    ...{ SendCommand, CancelCommand, ListCommands, ListCommandInvocations, GetCommandInvocation },
    DescribeInstanceInformation,
    ...{ StartSession, ResumeSession, TerminateSession, DescribeSessions, GetConnectionStatus },
    ...{ AddTagsToResource, RemoveTagsFromResource, ListTagsForResource },
    ...{ PutResourcePolicy, GetResourcePolicies, DeleteResourcePolicy },
  },
  partial: {
    AddTagsToResource: 'Only parameters are here to be tagged.',
    RemoveTagsFromResource: 'Only parameters are here to be tagged.',
    ListTagsForResource: 'Only parameters are here to be tagged.',
    DescribeParameters: 'Nothing is shared through Resource Access Manager, so with Shared there is none.',
    PutResourcePolicy: 'On parameters only, not on OpsItem groups.',
    GetResourcePolicies: 'On parameters only, not on OpsItem groups.',
    DeleteResourcePolicy: 'On parameters only, not on OpsItem groups.',
    GetParameter: 'Of the public parameters those whose image this host stands for.',
    GetParameters: 'Of the public parameters those whose image this host stands for.',
    GetParametersByPath: 'Of the public parameters those whose image this host stands for.',
    SendCommand:
      'Of the documents AWS-RunShellScript, on EC2 instances. Notifications, alarms and output to CloudWatch Logs are refused.',
    StartSession:
      'On EC2 instances and CodeBuild’s environments: shells, single commands, their own ports. No remote hosts, no documents of one’s own, and so no preferences.',
    DescribeInstanceInformation: 'EC2 instances that run here; there are no activations and no associations.',
    PutParameter: 'Data type aws:ssm:integration is refused.',
  },
  access,
  socketDoors: [dataChannel],
  reconcilers: [policies, commands, sessions],
  uses: [awsManagedKeys, buildEnvironments, machines, publicImages],
})
