import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startServerProcess } from '../../src/cli/demo/server-process.ts'
import { hasCli, run } from './clients.ts'

// What README.md tells a newcomer to type, typed: the AWS CLI, git with its credential helper, and the drydock command.

const root = fileURLToPath(new URL('../..', import.meta.url))
const drydock = join(root, 'bin', 'drydock.js')

test('a first pipeline by the AWS CLI alone, as README.md has it', { timeout: 300_000 }, async ({ skip }) => {
  skip(!(await hasCli('the first pipeline')), 'the AWS CLI is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'drydock-first-'))
  const server = await startServerProcess(join(folder, 'data'), 0)
  try {
    const { stdout: exports } = await run(process.execPath, [drydock, 'env', '--endpoint', server.endpoint])
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      GIT_CONFIG_GLOBAL: '/dev/null',
      ...Object.fromEntries(
        exports
          .trim()
          .split('\n')
          .map((line) => line.replace('export ', '').split('=')),
      ),
    }
    const status = JSON.parse(
      (await run(process.execPath, [drydock, 'status', '--json', '--endpoint', server.endpoint])).stdout,
    )
    skip(!status.compute.some(({ addresses }: { addresses: boolean }) => addresses), 'this host cannot run machines')
    const sh = async (script: string, cwd = root) => (await run('bash', ['-euc', script], { cwd, env })).stdout
    const said = await sh('bash examples/first-pipeline.sh')
    const address = /answer at (http:\S+)/.exec(said)?.[1]
    expect(address).toMatch(/^http:\/\/127\./)

    const clone = join(folder, 'web-app')
    await sh(`cp -r examples/web-app ${clone}`)
    await sh(
      `git init -q -b main && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm 'Version 1'
git config credential.helper '!f() { test "$1" = get && aws codecommit credential-helper get --ignore-host-check; }; f'
git config credential.UseHttpPath true
git push -q "$(aws codecommit get-repository --repository-name first --query repositoryMetadata.cloneUrlHttp --output text)" main`,
      clone,
    )
    const state = () =>
      sh(
        `aws codepipeline get-pipeline-state --name first --query 'stageStates[].latestExecution.status' --output text`,
      )
    let stages = ''
    for (let tries = 0; tries < 60 && !/^Succeeded\tSucceeded\tSucceeded$/m.test(stages); tries++) {
      stages = await state()
      await pause(200)
    }
    expect(stages.trim()).toBe('Succeeded\tSucceeded\tSucceeded')
    expect((await (await fetch(`${address}/version`)).text()).trim()).toBe('1')
    expect(
      (await run(process.execPath, [drydock, 'logs', '/aws/codebuild/first', '--endpoint', server.endpoint])).stdout,
    ).toContain('Phase complete: BUILD State: SUCCEEDED')
    const events = await sh(
      `aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartBuild --query 'Events[0].CloudTrailEvent' --output text`,
    )
    expect(JSON.parse(events)).toMatchObject({
      eventSource: 'codebuild.amazonaws.com',
      userIdentity: { type: 'AssumedRole' },
    })
  } finally {
    await run(process.execPath, [drydock, 'reset', '--endpoint', server.endpoint])
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
