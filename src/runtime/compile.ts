// Modules out of bytes, and what is said where that cannot be: one file for every binary of this package.
import { describe, message, RuntimeError } from '../core/errors.js'

/** A binary that a caller gives: compiled, or its bytes. */
export type Binary = WebAssembly.Module | ArrayBuffer | ArrayBufferView

/** What an error says. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Throws where there is no WebAssembly at all. */
function checkHost(): void {
  if (typeof WebAssembly !== 'object') throw new RuntimeError('equigrad: expected a host with WebAssembly, got none. Use a current browser, Node, Deno, Bun or edge runtime.')
}

/** Compiles, or says what the host lacks. Not validated before: that takes as long as compiling. */
export function moduleOf(wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  checkHost()
  try {
    return new WebAssembly.Module(wasm)
  } catch (error) {
    if (!WebAssembly.validate(wasm)) throw new RuntimeError('equigrad: expected a host with WebAssembly SIMD, got one without. It is there since Chrome 91, Firefox 89, Safari 16.4, Node 16.4.')
    throw new RuntimeError(message('equigrad', 'a host that compiles WebAssembly', `a refusal (${reasonOf(error)})`,
      "A page's Content-Security-Policy must have 'wasm-unsafe-eval' in script-src; an edge worker imports equigrad under the condition workerd or edge-light, or calls useKernels(module)."), { cause: error })
  }
}

/** Is it a module, of whatever realm? Next's edge runtime runs code in another realm than it compiles modules in, so `instanceof` does not know them. */
function isModule(source: Binary): boolean {
  try { WebAssembly.Module.imports(source); return true } catch { return false }
}

/** What a caller gave to useKernels, a module or a copy of its bytes, or a TypeError. */
export function given(source: Binary): WebAssembly.Module | Uint8Array<ArrayBuffer> {
  checkHost()
  if (isModule(source)) return source
  if (!(source instanceof ArrayBuffer) && !ArrayBuffer.isView(source)) throw new TypeError(message('useKernels', 'a WebAssembly.Module, or its bytes', describe(source)))
  const wasm = source instanceof ArrayBuffer ? new Uint8Array(source.slice(0)) : new Uint8Array(new Uint8Array(source.buffer, source.byteOffset, source.byteLength))
  if (wasm.length < 4 || new DataView(wasm.buffer).getUint32(0) !== MAGIC) throw new TypeError(message('useKernels', 'the bytes of a WebAssembly module', `${wasm.length} bytes of something else`))
  return wasm
}

/** Of what {@link given} makes: is it bytes? */
export const isBytes = (wasm: WebAssembly.Module | Uint8Array<ArrayBuffer>): wasm is Uint8Array<ArrayBuffer> => wasm instanceof Uint8Array

/** `\0asm`, which every module begins with. */
const MAGIC = 0x0061736d
