// Locals that tools/wasm-locals.mjs numbered anew: the same instructions, the same results; and what reads another value is told from what does not.
import binaryen from 'assemblyscript/binaryen'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

interface Locals {
  readonly renumbered: (wasm: Uint8Array) => Uint8Array<ArrayBuffer>
  readonly sameButForNumbers: (a: Uint8Array, b: Uint8Array) => boolean
}
const { renumbered, sameButForNumbers } = (await import(pathToFileURL(resolve('tools/wasm-locals.mjs')).href)) as Locals

const binary = (functions: string): Uint8Array<ArrayBuffer> => Uint8Array.from(binaryen.parseText(`(module ${functions})`).emitBinary())

/** A local that begins as 0 and is read before it is set, in a loop; a parameter that is dead early; both ways of an if; a local of another type. */
const LOOP = `(func (export "loop") (param $n i32) (param $x i32) (result i32) (local $i i32) (local $sum i32) (local $t f64) (local $u i32)
  (local.set $u (i32.mul (local.get $x) (i32.const 3)))
  (loop $again
    (if (i32.and (local.get $i) (i32.const 1))
      (then (local.set $sum (i32.add (local.get $sum) (local.get $u))))
      (else (local.set $t (f64.add (local.get $t) (f64.convert_i32_s (local.get $i))))))
    (br_if $again (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (i32.add (local.get $sum) (i32.trunc_sat_f64_s (local.get $t))))`
/** Ways that part by a table, a return among them, and meet. */
const TABLE = `(func (export "table") (param $n i32) (param $x i32) (result i32) (local $a i32) (local $b i32)
  (local.set $a (i32.const 7))
  (block $out
    (block $two (block $one (block $zero (br_table $zero $one $two $out (local.get $n)))
      (local.set $b (i32.sub (local.get $x) (local.get $a)))
      (br $out))
      (return (i32.add (local.get $a) (local.get $x))))
    (local.set $a (i32.add (local.get $x) (i32.const 1)))
    (local.set $b (i32.mul (local.get $a) (local.get $a))))
  (i32.add (i32.mul (local.get $a) (i32.const 1000)) (local.get $b)))`
/** Values one after the other that a compiler gave locals of their own, like others in other numbers. */
const CHAIN = Array.from({ length: 3 }, (_, f) => `(func (export "chain${f}") (param $n i32) (param $x i32) (result i32)
  ${Array.from({ length: 6 }, (_, i) => `(local $l${(i * (f + 2)) % 7} i32)`).join(' ')}
  ${Array.from({ length: 5 }, (_, i) => `(local.set $l${((i + 1) * (f + 2)) % 7} (i32.add (i32.rotl (local.get $l${(i * (f + 2)) % 7}) (local.get $n)) (i32.xor (local.get $x) (i32.const ${i}))))`).join('\n')}
  (local.get $l${(5 * (f + 2)) % 7}))`).join('\n')

const wasm = binary(`${LOOP}\n${TABLE}\n${CHAIN}`)
type Functions = Readonly<Record<string, (n: number, x: number) => number>>
function results(bytes: Uint8Array<ArrayBuffer>): readonly number[] {
  const functions = Object.values(new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Functions)
  return functions.flatMap((f) => [-1, 0, 1, 2, 3, 9].flatMap((n) => [-5, 0, 1, 12345].map((x) => f(n, x))))
}

test('what they compute stays', () => {
  const other = renumbered(wasm)
  expect(results(other)).toEqual(results(wasm))
  expect(sameButForNumbers(wasm, other)).toBe(true)
  expect(Buffer.compare(other, wasm)).not.toBe(0)
})

test('the same module comes of the same module', () => { expect(renumbered(wasm)).toEqual(renumbered(wasm)) })

test('a number that reads or sets another value is noticed', () => {
  const want = results(wasm)
  let noticed = 0
  for (let at = 8; at < wasm.length; at++) {
    for (const number of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const other = Uint8Array.from(wasm)
      other[at] = number
      if (number === wasm[at] || !WebAssembly.validate(other)) continue
      if (sameButForNumbers(wasm, other)) expect(results(other)).toEqual(want)
      else noticed++
    }
  }
  expect(noticed).toBeGreaterThan(100)
})

describe.each(['kernels', 'predict', 'int8', 'fast'])('%s.wasm', (name) => {
  test("is the compiler's module but for numbers, and smaller when it is pressed", () => {
    const built = readFileSync(`build/${name}.wasm`), text = binaryen.parseText(readFileSync(`build/${name}.wat`, 'utf8')).emitBinary()
    expect(sameButForNumbers(text, built)).toBe(true)
    expect(gzipSync(built).length).toBeLessThan(0.96 * gzipSync(text).length)
  })
})
