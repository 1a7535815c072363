import {
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateBranchCommand,
  CreateCommitCommand,
  CreatePullRequestCommand,
  CreateRepositoryCommand,
  GetBranchCommand,
  GetDifferencesCommand,
  GetPullRequestCommand,
  ListPullRequestsCommand,
  MergePullRequestByFastForwardCommand,
  MergePullRequestBySquashCommand,
  MergePullRequestByThreeWayCommand,
} from '@aws-sdk/client-codecommit'
import { PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { type Actor, type Clients, certain, type World } from './world.ts'

const repositoryName = 'by-review'
const logGroupName = '/aws/events/reviews'
const account = '000000000000'

const merges = [
  MergePullRequestByFastForwardCommand,
  MergePullRequestBySquashCommand,
  MergePullRequestByThreeWayCommand,
] as const

/** Commits on branches of their own, pull requests for them, and merges: branches, pull requests and events must agree. */
export const reviews = (): Actor => {
  /** Files that were merged for sure; references that moved for sure, by event. */
  const merged = new Set<string>()
  const moved = new Set<string>()

  const tip = async ({ codecommit }: Clients, branchName: string) => {
    const { branch } = await codecommit.send(new GetBranchCommand({ repositoryName, branchName }))
    return branch?.commitId ?? ''
  }
  const commit = async (aws: Clients, branchName: string, filePath: string, parentCommitId?: string) => {
    const putFiles = [{ filePath, fileContent: Buffer.from(`${filePath}\n`) }]
    const made = await certain(
      aws.codecommit.send(new CreateCommitCommand({ repositoryName, branchName, putFiles, parentCommitId })),
    )
    if (made) moved.add(`${branchName} ${made.value.commitId}`)
    return made
  }

  const act = async ({ aws, next, random }: World): Promise<void> => {
    const filePath = `${next()}.txt`
    const name = `topic-${filePath}`
    const main = await tip(aws, 'main')
    const branch = new CreateBranchCommand({ repositoryName, branchName: name, commitId: main })
    if (!(await certain(aws.codecommit.send(branch)))) return
    moved.add(`${name} ${main}`)
    if (!(await commit(aws, name, filePath, main))) return
    const targets = [{ repositoryName, sourceReference: name, destinationReference: 'main' }]
    const opened = await certain(aws.codecommit.send(new CreatePullRequestCommand({ title: filePath, targets })))
    if (!opened) return
    const { pullRequestId = '' } = opened.value.pullRequest ?? {}
    const Merge = random.pick(merges)
    const done = await certain(aws.codecommit.send(new Merge({ pullRequestId, repositoryName })))
    const state = done?.value.pullRequest
    if (!state) return
    if (state.pullRequestStatus !== 'CLOSED') throw new Error(`${pullRequestId} was merged and is not closed`)
    merged.add(filePath)
    moved.add(`main ${await tip(aws, 'main')}`)
  }

  const differences = async (aws: Clients): Promise<Set<string>> => {
    const files = new Set<string>()
    let NextToken: string | undefined
    do {
      const page = await aws.codecommit.send(
        new GetDifferencesCommand({ repositoryName, afterCommitSpecifier: 'main', NextToken }),
      )
      for (const { afterBlob } of page.differences ?? []) files.add(afterBlob?.path ?? '')
      NextToken = page.NextToken
    } while (NextToken)
    return files
  }

  /** Pull requests that do not say what the branch says. */
  const disagreeing = async (aws: Clients): Promise<string[]> => {
    const files = await differences(aws)
    const wrong = [...merged].flatMap((path) => (files.has(path) ? [] : [`${path} was merged and is lost`]))
    let nextToken: string | undefined
    do {
      const page = await aws.codecommit.send(new ListPullRequestsCommand({ repositoryName, nextToken }))
      for (const pullRequestId of page.pullRequestIds ?? []) {
        const { pullRequest } = await aws.codecommit.send(new GetPullRequestCommand({ pullRequestId }))
        const isMerged = pullRequest?.pullRequestTargets?.[0]?.mergeMetadata?.isMerged ?? false
        const isThere = files.has(pullRequest?.title ?? '')
        if (isMerged !== isThere || isMerged !== (pullRequest?.pullRequestStatus === 'CLOSED'))
          wrong.push(
            `pull request ${pullRequestId} is ${pullRequest?.pullRequestStatus}, merged ${isMerged}, and main ${isThere ? 'has' : 'has not'} its file`,
          )
      }
      nextToken = page.nextToken
    } while (nextToken)
    return wrong
  }

  const untold = async (aws: Clients): Promise<string[]> => {
    const told = new Set<string>()
    let nextToken: string | undefined
    do {
      const page = await aws.logs.send(new FilterLogEventsCommand({ logGroupName, nextToken }))
      for (const { message = '{}' } of page.events ?? []) {
        const { detail } = JSON.parse(message)
        told.add(`${detail.referenceName} ${detail.commitId}`)
      }
      nextToken = page.nextToken
    } while (nextToken)
    return [...moved].filter((move) => !told.has(move)).map((move) => `no event tells of ${move}`)
  }

  return {
    name: 'reviews',
    setUp: async ({ aws }) => {
      await aws.logs.send(new CreateLogGroupCommand({ logGroupName }))
      const Principal = { Service: ['events.amazonaws.com', 'delivery.logs.amazonaws.com'] }
      const Action = ['logs:CreateLogStream', 'logs:PutLogEvents']
      const Statement = [{ Effect: 'Allow', Principal, Action, Resource: '*' }]
      const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
      await aws.logs.send(new PutResourcePolicyCommand({ policyName: 'reviews', policyDocument }))
      const EventPattern = JSON.stringify({
        source: ['aws.codecommit'],
        resources: [`arn:aws:codecommit:us-east-1:${account}:${repositoryName}`],
        detail: { event: ['referenceCreated', 'referenceUpdated'] },
      })
      await aws.events.send(new PutRuleCommand({ Name: 'reviews', EventPattern }))
      const Arn = `arn:aws:logs:us-east-1:${account}:log-group:${logGroupName}`
      await aws.events.send(new PutTargetsCommand({ Rule: 'reviews', Targets: [{ Id: 'log', Arn }] }))
      await aws.codecommit.send(new CreateRepositoryCommand({ repositoryName }))
      await commit(aws, 'main', 'README')
    },
    act,
    check: async ({ aws }, all) => {
      if (!all) return []
      // What the server did not live to tell, it tells some ten seconds after its next start.
      const end = Date.now() + 60_000
      for (;;) {
        const wrong = [...(await disagreeing(aws)), ...(await untold(aws))]
        if (wrong.length === 0 || Date.now() > end) return wrong
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    },
  }
}
