// How far kernels reach from each of their addresses, from the sizes in their descriptors: an account of its own, beside the kernels, that
// programs are held to. Kernels that walk an optimizer's table are not here: their reach stands in the table.
import { KB, kernelTable, PANEL, type KernelName } from '../../src/compiler/kernels.js'
import { stepsOf } from '../../src/compiler/passes/verify.js'
import { sizeAt, type Program } from '../../src/compiler/program.js'

type Words = Readonly<Record<string, number>>
type Reach = (w: (field: string) => number) => Words

/** Bytes from the first element to the end of the last, of `count` rows that lie `step` bytes apart. */
const strided = (...levels: readonly (readonly [count: number, step: number])[]): number =>
  levels.some(([count]) => count === 0) ? 0 : levels.reduce((bytes, [count, step]) => bytes + (count - 1) * step, 0) + 4

const rowwise = (...fields: readonly string[]): Reach => (w) => Object.fromEntries(fields.map((f) => [f, 4 * w('rows') * w('width')]))
const perElement = (bytes: Words): Reach => (w) => Object.fromEntries(Object.entries(bytes).map(([f, size]) => [f, size * w('length')]))
const perRow = (reach: Reach, ...fields: readonly string[]): Reach => (w) => ({ ...reach(w), ...Object.fromEntries(fields.map((f) => [f, 4 * w('rows')])) })
/** Blocks of a product that writes their sums one by one. */
const blocks = (w: (field: string) => number): readonly [number, number] => (w('cBlock') === 0 ? [1, 0] : [Math.ceil(w('k') / KB), w('cBlock')])
const panels = (n: number): number => Math.ceil(n / PANEL)
const IMAGE = ['samples', 'height', 'width', 'channels'], OUTPUT = ['samples', 'outHeight', 'outWidth', 'channels']
/** Whole images, or whole outputs, by field. */
function pooling(images: readonly string[], outputs: readonly string[]): Reach {
  const of = (fields: readonly string[], sizes: readonly string[], w: (field: string) => number): Words => Object.fromEntries(fields.map((f) => [f, sizes.reduce((bytes, s) => bytes * w(s), 4)]))
  return (w) => ({ ...of(images, IMAGE, w), ...of(outputs, OUTPUT, w) })
}
const integerPanels = (w: (field: string) => number): number => panels(w('n')) * (64 + 32 * Math.ceil(w('k') / 2))
const integerPacking: Reach = (w) => ({ w: w('k') * w('n'), offset: 4 * w('n'), multiplier: 4 * w('n'), out: integerPanels(w) })
/** Rows of bytes, and of floats or bytes. */
function integerProduct(w: (field: string) => number): Words {
  const [m, n, size] = [w('m'), w('n'), w('asFloat') === 0 ? 1 : 4]
  return { a: m === 0 ? 0 : (m - 1) * w('aRow') + w('k'), b: integerPanels(w), c: m === 0 || n === 0 ? 0 : (m - 1) * w('cRow') + n * size }
}
/** By the codes of element types: f32, f64, i32, u8. */
const BYTES = [4, 8, 4, 1]

const reaches: Readonly<Partial<Record<KernelName, Reach>>> = {
  f32_gemm: (w) => ({
    a: strided([w('m'), w('aRow')], [w('k'), w('aStep')]), b: strided([panels(w('n')), w('bPanel')], [w('k'), w('bStep')]) === 0 ? 0 : strided([panels(w('n')), w('bPanel')], [w('k'), w('bStep')], [PANEL, 4]),
    c: strided(blocks(w), [w('m'), w('cRow')], [w('n'), 4]), bias: 4 * w('n'),
  }),
  f32_gemv: (w) => ({
    a: strided([w('m'), w('aRow')], [w('k'), w('aStep')]), b: strided([w('k'), w('bStep')], [w('n'), w('bColumn')]),
    c: strided([w('m'), w('cRow')], [w('n'), 4]), bias: 4 * w('n'),
  }),
  f32_add_blocks: (w) => ({ x: 4 * w('blocks') * w('length'), y: 4 * w('length') }),
  f32_pack_b: (w) => ({ b: strided([w('k'), w('bStep')], [w('n'), w('bColumn')]), out: 4 * PANEL * panels(w('n')) * w('k') }),
  f32_pack_conv: (w) => ({
    w: strided([w('groups'), w('groupStep')], [w('tapStep') > 0 ? w('taps') : 1, w('tapStep')], [w('inner'), w('step')], [w('n'), w('column')]),
    out: 4 * PANEL * panels(w('n')) * w('groups') * w('taps') * w('inner'),
  }),
  f32_depthwise: (w) => ({
    x: strided([Math.min(w('m'), w('inner')), w('step')], [Math.min(Math.ceil(w('m') / w('inner')), w('mid')), w('midStep')], [Math.ceil(w('m') / (w('inner') * w('mid'))), w('outerStep')],
      [w('rows'), w('down')], [w('columns'), w('across')], [w('channels'), 4]),
    w: strided([w('tapStep') > 0 ? w('rows') * w('columns') : 1, w('tapStep')], [w('channels'), 4]), y: 4 * w('m') * w('channels'), bias: 4 * w('channels'),
  }),
  f32_depthwise_kernel: (w) => ({
    x: strided([Math.min(w('k'), w('inner')), w('step')], [Math.min(Math.ceil(w('k') / w('inner')), w('mid')), w('midStep')], [Math.ceil(w('k') / (w('inner') * w('mid'))), w('outerStep')],
      [w('rows'), w('down')], [w('columns'), w('across')], [w('channels'), 4]),
    dy: 4 * w('k') * w('channels'), dw: strided(blocks(w), [w('rows') * w('columns') * w('channels'), 4]),
  }),
  f32_pad: (w) => ({ x: 4 * w('images') * w('height') * w('width') * w('channels'), y: 4 * w('images') * w('rows') * w('columns') * w('channels') }),
  f32_conv(w) {
    // Three levels, of which the outermost ends where the count does: all three are full, or there is one only.
    const walk = (count: number, inner: number, mid: number, step: number, midStep: number, outerStep: number): readonly (readonly [number, number])[] =>
      [[Math.min(count, inner), step], [Math.min(Math.ceil(count / inner), mid), midStep], [Math.ceil(count / (inner * mid)), outerStep]]
    const packed = w('bWidth') === 0
    return {
      a: strided([w('groups'), w('aGroup')], ...walk(w('m'), w('rowInner'), w('rowMid'), w('rowStep'), w('rowMidStep'), w('rowOuterStep')), ...walk(w('k'), w('inner'), w('mid'), w('step'), w('midStep'), w('outerStep'))),
      b: packed ? strided([w('groups'), w('bGroup')], [panels(w('n')), w('bPanel')], [w('k'), w('bStep')], [PANEL, 4]) : strided([w('k'), w('bStep')], [w('bWidth'), 4]),
      c: strided(blocks(w), [w('groups'), w('cGroup')], [w('m'), w('cRow')], [w('n'), 4]), bias: 4 * w('groups') * w('n'),
    }
  },
  f32_unary: perElement({ x: 4, y: 4 }),
  f32_binary(w) {
    const span = (of: 'a' | 'b'): number => strided([w('outer'), 4 * w(`${of}Outer`)], [w('mid'), 4 * w(`${of}Mid`)], [w('inner'), 4 * w(`${of}Inner`)])
    return { a: span('a'), b: span('b'), y: 4 * w('outer') * w('mid') * w('inner') }
  },
  f32_fake_quant: (w) => ({ x: 4 * w('outer') * w('inner'), y: 4 * w('outer') * w('inner'), range: strided([w('inner'), 4 * w('rangeStride')]) }),
  qu8_quantize: perElement({ x: 4, y: 1 }),
  qs8_pack_u7: integerPacking, qs8_pack_u8: integerPacking,
  qs8_gemm_u7: integerProduct, qs8_gemm_u8: integerProduct,
  f32_select: (w) => ({ mask: w('length'), a: strided([w('length'), 4 * w('aStride')]), b: strided([w('length'), 4 * w('bStride')]), y: 4 * w('length') }),
  gather: (w) => ({ source: (BYTES[w('sourceType')] ?? NaN) * w('rows') * w('width'), index: 4 * w('rows'), y: 4 * w('rows') * w('width') }),
  f32_reduce: (w) => ({ x: 4 * w('outer') * w('k') * w('inner'), y: 4 * w('outer') * w('inner') }),
  f32_softmax: rowwise('x', 'y'), f32_log_softmax: rowwise('x', 'y'), f32_softmax_grad: rowwise('y', 'dy', 'dx'), f32_log_softmax_grad: rowwise('y', 'dy', 'dx'),
  f32_sparse_xent: perRow(rowwise('x'), 'labels', 'y'), f32_sparse_xent_grad: perRow(rowwise('x', 'dx'), 'labels', 'dy'), i32_arg_max: perRow(rowwise('x'), 'y'),
  i32_equal: perElement({ a: 4, b: 4, y: 4 }),
  f32_total: (w) => ({ x: 4 * w('length'), w: 4 * w('length'), y: 8 }),
  f32_dropout: (w) => ({ ...rowwise('x', 'y')(w), index: 4 * w('rows'), step: 4, key: 8 }),
  f32_fill: perElement({ y: 4 }), f32_accumulate: perElement({ x: 4, y: 4 }), f64_accumulate: perElement({ x: 8, y: 8 }),
  copy: perElement({ x: 1, y: 1 }), f32_commit: (w) => ({ x: 4 * w('length'), y: 4 * w('length'), ok: 4 }),
  copy_rows: (w) => ({ x: strided([w('rows'), w('xRow')], [w('width') / 4, 4]), y: strided([w('rows'), w('yRow')], [w('width') / 4, 4]) }),
  f32_max_pool: pooling(['x'], ['y']), f32_max_pool_grad: pooling(['x', 'dx'], ['dy']), f32_average_pool: pooling(['x'], ['y']), f32_average_pool_grad: pooling(['dx'], ['dy']),
  length_mask: (w) => ({ lengths: 4 * w('rows'), y: w('rows') * w('steps') * w('width') }),
}

/** The first call that would reach beyond one of its buffers at `n` samples, as a message; or ''. */
export function reachError(p: Program, n: number): string {
  const steps = stepsOf(p)
  for (const [at, { kernel, words, tiles }] of p.calls.entries()) {
    const reach = reaches[kernel]
    if (reach === undefined || sizeAt(tiles, n) === 0) continue
    const names: readonly string[] = kernelTable[kernel].words
    const bytes = reach((field) => {
      const word = words[names.indexOf(field)]
      if (word === undefined || (typeof word === 'object' && !('per' in word))) throw new RangeError(`${kernel} has no size '${field}'`)
      return sizeAt(word, n)
    })
    for (const [field, span] of Object.entries(bytes)) {
      const word = words[names.indexOf(field)]
      if (typeof word !== 'object' || !('buffer' in word)) continue
      const has = sizeAt(p.buffers[word.buffer]?.bytes ?? 0, n) - Math.max(word.offset, word.offset + (word.perStep ?? 0) * ((steps[at] ?? 1) - 1))
      if (!(span <= has)) return `call ${at} (${kernel}) at n = ${n}: ${field} reaches ${span} bytes of ${has}`
    }
  }
  return ''
}
