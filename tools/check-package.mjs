// The package as those see it who install it: publint, attw, typedoc without a warning, the report of its API (docs/api/NAME.api.md, kept in the
// repository), and JSR's own checks. Leaves in build/jsr what `deno publish` there would publish.
//   node tools/check-package.mjs [--update] [--only NAME] [--require]
// Needs dist/ (npm run build), `npm ci` in this folder and, for JSR, in test/runtimes. --update: writes the reports of the API anew; look at the difference.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execute, root, runChecks, runOptions } from '../test/support/site.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const update = process.argv.includes('--update')
/** Within the project: api-extractor looks for its package.json upward from here. */
const work = join(root, 'build', 'check-package')
rmSync(work, { recursive: true, force: true })
mkdirSync(work, { recursive: true })
process.on('exit', () => { rmSync(work, { recursive: true, force: true }) })

const tool = (name, ...args) => execFileSync(process.execPath, [join(here, 'node_modules', name), ...args], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const { exports, files, license, name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The entries that have types, by name. */
const entries = Object.entries(exports).flatMap(([path, at]) => (typeof at === 'object' && at.types !== undefined ? [[path === '.' ? 'equigrad' : path.slice(2).replaceAll('/', '-'), join(root, at.types)]] : []))

const tsconfig = join(work, 'tsconfig.json')
writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { target: 'es2022', module: 'nodenext', moduleResolution: 'nodenext', lib: ['es2023', 'dom', 'esnext.disposable'], types: [], strict: true, skipLibCheck: true }, files: entries.map(([, types]) => types) }))

/** Types of members that only the package's own entries call (`Store`, `Model.program`, …): no one else names them. */
const INNER = [
  'Arithmetic', 'Bits', 'Block', 'Declaration', 'Defined', 'Definition', 'ExactMath', 'Executor', 'Expression', 'Fetched',
  'Init', 'InputSpec', 'Instance', 'Kernel', 'KernelField', 'KernelModule', 'Mode', 'Named', 'ParamDeclaration', 'Program', 'Recipe',
  'Rows', 'Source', 'StoredParam', 'TrainingState', 'Type', 'UpdateKernel', 'Work', 'Worth',
]

/** An entry's public names with their signatures, as api-extractor writes them; a name without a docstring is a failure. */
function report([name, types]) {
  const kept = join(root, 'docs', 'api')
  mkdirSync(kept, { recursive: true })
  const config = join(work, `${name}.json`)
  const quiet = { logLevel: 'none' }
  writeFileSync(config, JSON.stringify({
    projectFolder: root, mainEntryPointFilePath: types,
    compiler: { tsconfigFilePath: tsconfig },
    apiReport: { enabled: true, reportFileName: `${name}.api.md`, reportFolder: kept, reportTempFolder: work, includeForgottenExports: false },
    docModel: { enabled: false }, dtsRollup: { enabled: false }, tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: { logLevel: 'error' } },
      // Types without a name of their own are typedoc's; here they would come with numbers of lines, which change with everything.
      extractorMessageReporting: { default: quiet, 'ae-forgotten-export': { ...quiet, addToApiReportFile: false }, 'ae-undocumented': { logLevel: 'error' } },
      tsdocMessageReporting: { default: quiet },
    },
  }))
  tool('@microsoft/api-extractor/bin/api-extractor', 'run', '--config', config, ...(update ? ['--local'] : []))
}

function tarball() {
  const [{ filename }] = JSON.parse(execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], root))
  return join(work, filename)
}

/** The package for JSR: the files of the tarball, and a jsr.json instead of its package.json. */
function jsr() {
  const deno = join(root, 'test/runtimes/node_modules/deno/bin.cjs')
  if (!existsSync(deno)) return 'no Deno (npm ci in test/runtimes)'
  const folder = join(root, 'build', 'jsr')
  rmSync(folder, { recursive: true, force: true })
  for (const file of [...files, 'README.md', 'LICENSE']) cpSync(join(root, file), join(folder, file), { recursive: true })
  const faces = Object.fromEntries(Object.entries(exports).flatMap(([path, at]) => (at.types === undefined ? [] : [[path, at.default]])))
  // What is built is in .gitignore.
  writeFileSync(join(folder, 'jsr.json'), `${JSON.stringify({ name: `@${name}/${name}`, version, license, exports: faces, publish: { exclude: ['!**'] } }, null, 2)}\n`)
  execute(process.execPath, [deno, 'publish', '--dry-run', '--allow-dirty'], folder, { DENO_DIR: join(work, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' })
}

const checks = {
  publint: () => { tool('publint/src/cli.js', '.', '--strict') },
  'attw, ESM only': () => { tool('@arethetypeswrong/cli/dist/index.js', tarball(), '--no-definitely-typed', '--profile', 'esm-only', '--exclude-entrypoints', ...Object.keys(exports).filter((path) => /\.(wasm|json)$/.test(path))) },
  'typedoc without a warning': () => { tool('typedoc/bin/typedoc', '--entryPoints', ...entries.map(([, types]) => types), '--out', join(work, 'docs'), '--treatWarningsAsErrors', '--tsconfig', tsconfig, '--skipErrorChecking', '--readme', 'none', '--disableSources', ...INNER.flatMap((name) => ['--intentionallyNotExported', name]), '--logLevel', 'Warn') },
  ...Object.fromEntries(entries.map((entry) => [`API of ${entry[0]} as in docs/api`, () => { report(entry) }])),
  'JSR, without slow types': jsr,
}

if (!existsSync(join(here, 'node_modules'))) throw new Error('tools/node_modules is missing. Run `npm ci` in tools/.')
await runChecks(checks, runOptions())
