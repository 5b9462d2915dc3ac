// The house rules that can be read off the source: floors, cycles, who may name what, no work at import time, a binary that imports nothing.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it, vi } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const list = (dir: string): string[] => readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
  .filter((f) => f.isFile() && f.name.endsWith('.ts')).map((f) => relative(root, join(f.parentPath, f.name)).replaceAll('\\', '/')).sort()

/** A folder imports from smaller floors or its own. */
const FLOOR: Readonly<Record<string, number>> = {
  core: 0, data: 1, compiler: 1, nn: 2, optim: 2, runtime: 2, model: 3, formats: 4, train: 5, predict: 5,
  compress: 6, explain: 6, selfsupervised: 6, distributed: 6, doctor: 7, cli: 8,
}
const folderOf = (file: string): string => /^src\/([^/]+)\//.exec(file)?.[1] ?? 'face'

interface Source { readonly file: string; readonly tree: ts.SourceFile; readonly imports: readonly string[] }

const sources: readonly Source[] = list('src').map((file) => {
  const text = read(file)
  return { file, tree: ts.createSourceFile(file, text, ts.ScriptTarget.ES2022), imports: ts.preProcessFile(text).importedFiles.map((i) => i.fileName) }
})
const own = (from: string, to: string): string => join(dirname(from), to).replaceAll('\\', '/').replace(/\.js$/, '.ts')
const inner = ({ file, imports }: Source): string[] => imports.filter((i) => i.startsWith('.')).map((i) => own(file, i))
const outer = ({ imports }: Source): string[] => imports.filter((i) => !i.startsWith('.'))

/** Every identifier of a file, comments and strings left out. */
function names({ tree }: Source): Set<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) found.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

/** Groups of files that import one another in a circle, types included (Tarjan 1972). */
function cycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>(), low = new Map<string, number>(), stack: string[] = [], found: string[][] = []
  const visit = (v: string): void => {
    index.set(v, index.size)
    low.set(v, index.size - 1)
    stack.push(v)
    for (const w of edges.get(v) ?? []) {
      if (!index.has(w)) visit(w)
      if (stack.includes(w)) low.set(v, Math.min(low.get(v) ?? 0, low.get(w) ?? 0))
    }
    if (low.get(v) !== index.get(v)) return
    const group = stack.splice(stack.indexOf(v))
    if (group.length > 1 || (edges.get(v) ?? []).includes(v)) found.push(group.sort())
  }
  for (const v of edges.keys()) if (!index.has(v)) visit(v)
  return found
}

describe('floors', () => {
  it('every folder has one', () => {
    expect([...new Set(sources.map((s) => folderOf(s.file)))].filter((f) => f !== 'face' && !(f in FLOOR))).toEqual([])
  })
  it('imports go down, or stay in the folder', () => {
    const wrong = sources.flatMap((s) => inner(s).filter((to) => {
      const [here, there] = [folderOf(s.file), folderOf(to)]
      if (here === there || here === 'face' || here === 'cli') return false
      return there === 'face' || (FLOOR[there] ?? Infinity) >= (FLOOR[here] ?? -1)
    }).map((to) => `${s.file} → ${to}`))
    expect(wrong).toEqual([])
  })
  it('there are no circles, not of types either', () => {
    expect(cycles(new Map(sources.map((s) => [s.file, inner(s)])))).toEqual([])
  })
  it('the search for circles finds one', () => {
    expect(cycles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b', 'd']], ['d', []]]))).toEqual([['b', 'c']])
  })
})

describe('what is loaded when it is asked for', () => {
  /** What a file imports at once, types left out, or when it runs to it. */
  const loads = (s: Source, later: boolean): string[] => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (!later && ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
        const { importClause: clause } = node, named = clause?.namedBindings
        const types = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || (named !== undefined && ts.isNamedImports(named) && named.elements.every((e) => e.isTypeOnly))
        if (!types) found.push(node.moduleSpecifier.text)
      }
      if (!later && ts.isExportDeclaration(node) && !node.isTypeOnly && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) found.push(node.moduleSpecifier.text)
      const [only] = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword ? node.arguments : []
      if (later && only !== undefined && ts.isStringLiteral(only)) found.push(only.text)
      ts.forEachChild(node, visit)
    }
    visit(s.tree)
    return found.filter((to) => to.startsWith('.')).map((to) => own(s.file, to))
  }
  const atOnce = new Map(sources.map((s) => [s.file, loads(s, false)]))
  const closure = (from: readonly string[]): Set<string> => {
    const all = new Set(from)
    for (const file of all) for (const to of atOnce.get(file) ?? []) all.add(to)
    return all
  }
  it('imports nothing that is loaded at once: a bundle can be one file', () => {
    const later = sources.filter((s) => folderOf(s.file) !== 'cli').flatMap((s) => loads(s, true))
    expect([...new Set(later)].sort()).toEqual(['src/runtime/lanes.ts', 'src/runtime/relaxed/fast.ts', 'src/runtime/relaxed/int8.ts'])
    const first = closure(['src/index.ts'])
    expect(later.flatMap((file) => [...closure([file])].filter((to) => first.has(to)).map((to) => `${file} → ${to}`))).toEqual([])
  })
})

describe('who may name what', () => {
  const elsewhere = (allowed: RegExp, words: readonly string[]): string[] =>
    sources.filter((s) => !allowed.test(s.file)).flatMap((s) => { const named = names(s); return words.filter((w) => named.has(w)).map((w) => `${s.file}: ${w}`) })
  it('only runtime/ names WebAssembly and workers', () => {
    expect(elsewhere(/^src\/runtime\//, ['WebAssembly', 'Worker', 'SharedArrayBuffer', 'Atomics'])).toEqual([])
  })
  it('only cli/ imports node: modules', () => {
    expect(sources.filter((s) => folderOf(s.file) !== 'cli').flatMap((s) => outer(s).filter((i) => i.startsWith('node:')).map((i) => `${s.file}: ${i}`))).toEqual([])
  })
  it('what is bundled is known', () => {
    const bundled = new Set(sources.filter((s) => folderOf(s.file) !== 'cli').flatMap(outer))
    expect([...bundled].sort()).toEqual(['fflate'])
  })
  it('the kernels use nothing of the host, and no instruction that an engine miscomputes', () => {
    const banned = /\bJSMath\b|q15mulr_sat|\bDate\b|\bconsole\b|Math\.random|Mathf?\.seedRandom|relaxed_madd|relaxed_nmadd/
    // One function says it, for the module that is asked for by name; the default binary has none (below).
    const fast = 'ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, b, c) : f32x4.add(c, f32x4.mul(x, b))'
    const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(fast, '')
    expect(list('assembly').filter((file) => banned.test(code(read(file))))).toEqual([])
  })
})

describe('nothing happens at import time', () => {
  it('the package says so', () => {
    const { sideEffects, dependencies, type } = JSON.parse(read('package.json')) as Record<string, unknown>
    expect({ sideEffects, dependencies, type }).toEqual({ sideEffects: ['./dist/*workerd.js', './dist/*edge-light.js'], dependencies: undefined, type: 'module' })
  })
  it('no statement at the top level of a module does something', () => {
    const acts = (s: Source): ts.Statement[] => s.tree.statements.filter((x) => ts.isExpressionStatement(x) || ts.isIfStatement(x) || ts.isIterationStatement(x, false) || ts.isTryStatement(x))
    const allowed = sources.filter((s) => folderOf(s.file) !== 'cli')
    expect(allowed.flatMap((s) => acts(s).map((x) => `${s.file}: ${x.getText(s.tree).slice(0, 60)}`))).toEqual([])
  })
  it('importing compiles no WebAssembly', async () => {
    const touched: string[] = []
    vi.stubGlobal('WebAssembly', new Proxy(WebAssembly, { get(_, key) { touched.push(String(key)); throw new Error(`WebAssembly.${String(key)} at import time`) } }))
    vi.resetModules()
    const [face, data] = await Promise.all([import('../src/index.js'), import('../src/data/index.js'), import('../src/compress/index.js'), import('../src/predict.js')]).finally(() => vi.unstubAllGlobals())
    expect(typeof face.sequential).toBe('function')
    expect(typeof data.digits).toBe('function')
    expect(touched).toEqual([])
  })
})

describe('the binary', () => {
  const wasm = new WebAssembly.Module(readFileSync(join(root, 'build/kernels.wasm')))
  it('imports nothing', () => {
    expect(WebAssembly.Module.imports(wasm)).toEqual([])
  })
  it('has no relaxed instruction', () => {
    expect(read('build/kernels.wat')).not.toMatch(/relaxed/)
  })
  it.each(['int8', 'fast'])('%s, of relaxed SIMD, imports one memory and has no data that another could lie on', (name) => {
    const bytes = readFileSync(join(root, `build/${name}.wasm`))
    expect(/\(data /.test(read(`build/${name}.wat`))).toBe(false)
    if (!WebAssembly.validate(bytes)) return
    expect(WebAssembly.Module.imports(new WebAssembly.Module(bytes))).toEqual([expect.objectContaining({ module: 'env', name: 'memory', kind: 'memory' })])
  })
  it('exports functions, one memory and the table that the host puts kernels into', () => {
    const kinds = WebAssembly.Module.exports(wasm).map((e) => e.kind).filter((kind) => kind !== 'function' && kind !== 'global')
    expect(kinds.sort()).toEqual(['memory', 'table'])
  })
})
