#!/usr/bin/env node
// Runs the TypeScript sources where they are, which Node 24 takes as they are, else what a release made of them. On an older
// Node this starts the one that npm brought.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = new URL('../src/cli/main.ts', import.meta.url)
const main = existsSync(sources) ? sources : new URL('../dist/main.js', import.meta.url)

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // What Node makes of the sources is kept beside the packages: the next start spares the work, most of it.
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/drydock', import.meta.url)))
  const { run } = await import(main.href)
  await run(process.argv.slice(2))
} else {
  const node = bundledNode()
  if (!node) {
    console.error('drydock: needs Node 24 or newer; `npm ci` brings it along on Linux')
    process.exit(1)
  }
  const child = spawn(node, [new URL(import.meta.url).pathname, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}

function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`)
    const path = join(dirname(manifest), 'bin', 'node')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}
