// The plan for prediction that a file carries, for readers without a compiler: one program, whatever type data comes in.
import type { DType } from '../core/shape.js'
import { fromGraph, type Graph } from '../compiler/graph/graph.js'
import { byName, Value, rewrite, type InputSpec } from '../compiler/graph/value.js'
import { kernelTable } from '../compiler/kernels.js'
import { read } from '../compiler/ops/read.js'
import { FORWARD, PLAN_VERSION, type PackedAffine, type PackedBuffer, type PackedInput, type PackedPlan, type PackedWord } from '../compiler/packed.js'
import { fuse } from '../compiler/passes/fuse.js'
import { lower } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { specialise } from '../compiler/passes/specialise.js'
import { verify } from '../compiler/passes/verify.js'
import { sizeAt, type Buffer, type Program, type Size, type Word } from '../compiler/program.js'
import type { Type } from '../compiler/type.js'

/** Samples of one run: a row of GEMM's tiles. */
const CAPACITY = 32
/** Constants of more bytes than this are tensors of the file. */
const INLINE = 64

/** The program that predicts a graph's outputs, for data of these element types. */
export function predictProgram(graph: Graph, capacity: number, dtypes: ReadonlyMap<string, DType>): Program {
  const values = fromGraph(graph)
  const ready = fuse(readInputs(specialise(Object.values(values), 'predict'), dtypes, null))
  return verify(planMemory(lower({ capacity, fetches: byName(Object.keys(values), ready), prologue: true })))
}

/** Puts a `read` op behind every input, for data of the given types; without an index where data needs no conversion, nothing. */
export function readInputs(outputs: readonly Value[], dtypes: ReadonlyMap<string, DType>, index: Value | null): readonly Value[] {
  const made = new Map<string, Value>()
  return rewrite(outputs, {
    leaf(v) {
      if (v.source.kind !== 'input' || v.source.spec.name.startsWith('$')) return v
      const { spec } = v.source
      const known = made.get(spec.name)
      if (known !== undefined) return known
      const dtype = dtypes.get(spec.name) ?? spec.data
      const plain = dtype === v.dtype && spec.scale === 1 && spec.offset === 0
      const source = new Value(v.shape, dtype, v.source)
      const fresh = plain && index === null ? source : read(source, index, { to: v.dtype === 'i32' ? 'i32' : 'f32', scale: spec.scale, offset: spec.offset })
      made.set(spec.name, fresh)
      return fresh
    },
  })
}

/** The inputs of a graph by name, with how each is read. */
export const inputsOf = (graph: Graph): ReadonlyMap<string, Type & { readonly spec: InputSpec }> =>
  new Map(graph.values.flatMap((v) => (v.role === 'input' && !v.spec.name.startsWith('$') ? [[v.spec.name, v]] : [])))

/**
 * A model's plan for prediction.
 *
 * @param one - is there one input, or output, and not a record?
 * @param tensor - gives the numbers of a long constant a place in the file, and says its name
 * @returns null where it needs what only the whole package has: a kernel, or words that the host sets
 */
export function packPlan(graph: Graph, one: PackedPlan['one'], tensor: (dtype: DType, data: readonly number[]) => string): PackedPlan | null {
  const inputs = inputsOf(graph)
  // Space for the widest elements: the word that says their type is set when data comes.
  const program = predictProgram(graph, CAPACITY, new Map([...inputs].map(([name, { dtype }]) => [name, dtype === 'i32' ? 'i32' : 'f64'])))
  const buffers = program.buffers.map((b) => packBuffer(b, tensor))
  const known = new Set<string>(FORWARD)
  if (!isWhole(buffers) || program.calls.some(({ kernel }) => !known.has(kernel))) return null
  const sample = (shape: Type['shape']): number[] => shape.slice(1).map(Number)
  return {
    version: PLAN_VERSION, capacity: CAPACITY, one, buffers, prologue: program.prologue, sizes: [program.sizes.arena, program.sizes.keep],
    inputs: [...inputs].map(([name, { shape, spec }]): PackedInput => {
      const buffer = program.inputs[name]?.buffer ?? -1
      return { name, shape: sample(shape), classes: spec.classes, buffer, read: readerOf(program, buffer) }
    }),
    outputs: Object.entries(program.outputs).map(([name, { shape, buffer, offset }]) => ({ name, shape: sample(shape), buffer, offset })),
    calls: program.calls.map(({ kernel, tiles, words }) => [kernel, packSize(tiles), ...words.map(packWord)] as const),
    loops: program.loops.map(({ from, to, steps }) => [from, to, steps] as const),
  }
}

const isWhole = (buffers: readonly (PackedBuffer | null)[]): buffers is readonly PackedBuffer[] => !buffers.includes(null)

/** The call that reads an input's data, or −1. */
function readerOf({ calls, buffers }: Program, input: number): number {
  if (buffers[input]?.dtype !== 'f64') return -1
  const source = kernelTable.gather.words.indexOf('source')
  return calls.findIndex(({ kernel, words }) => { const w = words[source]; return kernel === 'gather' && typeof w === 'object' && 'buffer' in w && w.buffer === input })
}

function packBuffer(b: Buffer, tensor: (dtype: DType, data: readonly number[]) => string): PackedBuffer | null {
  const bytes = sizeAt(b.bytes, CAPACITY)
  switch (b.region) {
    case 'arena': case 'keep': return [b.region, bytes, b.offset]
    case 'param': return ['tensor', bytes, b.key ?? '']
    case 'constant': {
      const data = b.data ?? []
      return bytes > INLINE ? ['tensor', bytes, tensor(b.dtype, data)] : ['words', bytes, wordsOf(b.dtype, data)]
    }
    case 'grad': case 'sum': case 'state': case 'table': case 'slot': case 'external': return null
  }
}

/** The bytes of some numbers as 32-bit words, with zeros behind. */
function wordsOf(dtype: DType, data: readonly number[]): number[] {
  const made = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array, i8: Int8Array }[dtype].from(data)
  const bytes = new Uint8Array(Math.ceil(made.byteLength / 4) * 4)
  bytes.set(new Uint8Array(made.buffer))
  return Array.from(new Uint32Array(bytes.buffer))
}

const packAffine = ({ per, plus = 0, div = 1, mul = 1 }: Exclude<Size, number>): PackedAffine => [per, plus, div, mul]
const packSize = (size: Size): number | PackedAffine => (typeof size === 'number' ? size : packAffine(size))

function packWord(w: Word): PackedWord {
  if (typeof w === 'number') return w
  if ('f32' in w) return wordsOf('f32', [w.f32])[0] ?? 0
  if ('buffer' in w) return w.perStep === undefined ? [w.buffer, w.offset] : [w.buffer, w.offset, w.perStep]
  return packAffine(w)
}
