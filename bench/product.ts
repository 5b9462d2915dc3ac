// One product of two matrices that both lie in our memory and both may change, B's packing within: what other libraries' matmul is measured beside.
import { apply1, Value } from '../src/compiler/graph/value.js'
import { matmulOp } from '../src/compiler/ops/matmul.js'
import { lower } from '../src/compiler/passes/lower.js'
import { planMemory } from '../src/compiler/passes/plan.js'
import type { Shape } from '../src/core/shape.js'
import { Executor } from '../src/runtime/executor.js'
import { Store } from '../src/runtime/store.js'

/** C = A·B, m × n × k. nn: A [m, k], B [k, n]. tn: A is stored [k, m]. nt: B is stored [n, k]. */
export interface Product { readonly form: 'nn' | 'tn' | 'nt'; readonly m: number; readonly n: number; readonly k: number }

const leaf = (name: string, shape: Shape): Value => new Value(shape, 'f32', { kind: 'input', spec: { name, data: 'f32', scale: 1, offset: 0, classes: null } })

/** @returns what runs the product so many times, and what gives C, [m, n] */
export function productOf({ form, m, n, k }: Product, a: Float32Array, b: Float32Array): { run(times: number): void; result(): Float32Array } {
  const rows = form === 'tn' ? k : m
  const c = apply1(matmulOp, [
    form === 'tn' ? leaf('a', ['n', m]) : leaf('a', ['n', k]),
    form === 'tn' ? leaf('b', ['n', n]) : leaf('b', form === 'nt' ? [n, k] : [k, n]),
  ], { transposeA: form === 'tn', transposeB: form === 'nt' })
  const store = new Store()
  const program = planMemory(lower({ capacity: rows, fetches: { c } }))
  const executor = new Executor(program, store, { seed: 0 })
  executor.bind(rows)
  executor.prepare()
  for (const [name, view] of Object.entries(program.inputs)) store.f32(executor.addressOf(view), (name === 'a' ? a : b).length).set(name === 'a' ? a : b)
  return {
    run: (times) => { for (let i = 0; i < times; i++) executor.run() },
    result: () => { executor.run(); return executor.copyF32('c') },
  }
}
