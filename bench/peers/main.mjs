// `npm run bench:peers`: equigrad beside other libraries on the same workloads. They are no part of the main install.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

if (existsSync(fileURLToPath(new URL('node_modules', import.meta.url)))) await import('./run.mjs')
else {
  console.error('bench:peers: expected the other libraries in bench/peers/node_modules, got none. Run: npm --prefix bench/peers ci')
  process.exitCode = 1
}
