// The command as a process of its own: exit codes, and what Ctrl-C does to it. Compiles src/ once (incrementally) into build/.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { directory, idxFiles, temporary } from './support.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const js = join(root, 'build/test-cli')

beforeAll(() => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', js, '--incremental', '--tsBuildInfoFile', join(js, 'tsbuildinfo'), '--declaration', 'false'], { cwd: root })
}, 180_000)

const start = (args: readonly string[]): ChildProcess & { readonly text: () => string } => {
  const child = spawn(process.execPath, [join(js, 'src/cli/main.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { text += chunk.toString() })
  return Object.assign(child, { text: () => text })
}
const until = async (child: ReturnType<typeof start>, what: string): Promise<void> => {
  while (!child.text().includes(what)) await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit').then(() => { throw new Error(`it ended:\n${child.text()}`) })])
}
const endless = (out: string): readonly string[] => ['train', '--data', directory(idxFiles()), '--epochs', '1000000', '--out', out]

it('exits with the code', async () => {
  const child = start(['train', '--epochs', '0'])
  expect(await once(child, 'close')).toEqual([2, null])
  expect(child.text()).toBe("equigrad: option '--epochs <n>' argument '0' is invalid. Expected a whole number from 1.\n")
})

it('stops at Ctrl-C, saves and exits with 130; the same key twice is once', async () => {
  const out = temporary()
  const child = start(endless(out))
  await until(child, '3/1000000')
  child.kill('SIGINT')
  child.kill('SIGINT')
  expect(await once(child, 'close')).toEqual([130, null])
  expect(child.text()).toContain('stopped by Ctrl-C after')
  expect(readdirSync(out).sort()).toEqual(['model.safetensors', 'report.html'])
})

it('quits at once at a second Ctrl-C', async () => {
  const out = join(temporary(), 'out')
  // layers so wide that the test after the first Ctrl-C takes seconds
  const child = start(['train', '--batch', '1', '--layers', '3072,3072', '--out', out])
  await until(child, 'epoch ')
  child.kill('SIGINT')
  const again = setInterval(() => child.kill('SIGINT'), 400)
  const [code, signal] = await once(child, 'close') as [number | null, string | null]
  clearInterval(again)
  expect([code, signal]).toEqual([null, 'SIGINT'])
  expect(existsSync(out)).toBe(false)
})
