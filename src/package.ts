import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder, with its manifest and examples: one above the sources, and one above what is built from them. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url))

export const version: string = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')).version

/** Does this process run the sources themselves? A released package has what `scripts/build.ts` made of them. */
export const runsSources = import.meta.url.endsWith('.ts')
