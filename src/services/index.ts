import type { ServiceId } from '../kernel/model/clients.ts'
import type { Service } from '../kernel/service.ts'

/** The one list of services. Docs, coverage, health and the console read it. */
const services = {
  accessanalyzer: () => import('./accessanalyzer/index.ts'),
  cloudtrail: () => import('./cloudtrail/index.ts'),
  cloudwatch: () => import('./cloudwatch/index.ts'),
  codebuild: () => import('./codebuild/index.ts'),
  codecommit: () => import('./codecommit/index.ts'),
  codedeploy: () => import('./codedeploy/index.ts'),
  codepipeline: () => import('./codepipeline/index.ts'),
  codestarconnections: () => import('./codestarconnections/index.ts'),
  ec2: () => import('./ec2/index.ts'),
  events: () => import('./events/index.ts'),
  iam: () => import('./iam/index.ts'),
  kms: () => import('./kms/index.ts'),
  logs: () => import('./logs/index.ts'),
  organizations: () => import('./organizations/index.ts'),
  s3: () => import('./s3/index.ts'),
  s3control: () => import('./s3control/index.ts'),
  s3tables: () => import('./s3tables/index.ts'),
  secretsmanager: () => import('./secretsmanager/index.ts'),
  ssm: () => import('./ssm/index.ts'),
  sts: () => import('./sts/index.ts'),
} satisfies { [K in ServiceId]?: () => Promise<{ service: Service }> }

/** Loads the services. Their modules are small; what is heavy they load on first use. */
export const loadServices = async (): Promise<Map<ServiceId, Service>> => {
  const loaded = await Promise.all(Object.values(services).map(async (load) => (await load()).service))
  return new Map(loaded.map((service) => [service.id, service]))
}
