import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules } from '../../kernel/service.ts'
import { buildIdOf } from './build.ts'
import { conditionKeys, overrideKeys } from './condition-keys.ts'
import type { Input, NS } from './operation.ts'
import { Project, projectArn } from './project.ts'

/** Builds have no ARN of their own in IAM: what may be done to one is said of its project. */
const projectOfBuild = (ctx: Ctx, idOrArn: string) => projectArn(ctx, buildIdOf(idOrArn).split(':')[0] ?? '')

const projectOf = (ctx: Ctx, nameOrArn: string) =>
  nameOrArn.startsWith('arn:') ? nameOrArn : projectArn(ctx, nameOrArn)

const named = ({ name }: { name: string }, ctx: Ctx) => ({ resources: [projectOf(ctx, name)] })
/** What is asked of the project, and how it would be. */
const described = (input: Input<'CreateProject'> | Input<'UpdateProject'>, ctx: Ctx) => ({
  resources: [projectOf(ctx, input.name)],
  context: conditionKeys(input as Partial<Input<'CreateProject'>>),
})
const projectNamed = ({ projectName }: { projectName: string }, ctx: Ctx) => ({
  resources: [projectOf(ctx, projectName)],
})

export const access: AccessRules<NS> = {
  operations: {
    CreateProject: described,
    UpdateProject: described,
    DeleteProject: named,
    BatchGetProjects: ({ names }, ctx) => ({ resources: names.map((name) => projectOf(ctx, name)) }),
    ListProjects: () => ({ resources: ['*'] }),
    StartBuild: (input, ctx) => ({ ...projectNamed(input, ctx), context: overrideKeys(input) }),
    ListBuildsForProject: projectNamed,
    StopBuild: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, id)] }),
    RetryBuild: ({ id }, ctx) => ({ resources: [projectOfBuild(ctx, id ?? '')] }),
    BatchGetBuilds: ({ ids }, ctx) => ({ resources: [...new Set(ids.map((id) => projectOfBuild(ctx, id)))] }),
    BatchDeleteBuilds: ({ ids }, ctx) => ({ resources: [...new Set(ids.map((id) => projectOfBuild(ctx, id)))] }),
    ListBuilds: () => ({ resources: ['*'] }),
    ListCuratedEnvironmentImages: () => ({ resources: ['*'] }),
  },
  resourceTags: async (ctx, arn) => {
    const name = /:project\/([^/]+)$/.exec(arn)?.[1]
    const project = name === undefined ? undefined : await ctx.read((tx) => tx.get(Project, name))
    return project && Object.fromEntries(project.tags.map(({ key, value }) => [key ?? '', value ?? '']))
  },
}
