// print: a program as people read it, and its hash.
import { sha256Hex, toJson } from '../../core/hash.js'
import { formatShape } from '../../core/shape.js'
import { kernelTable } from '../kernels.js'
import type { Affine, Program, Size, View, Word } from '../program.js'

function formatSize(size: Size): string {
  if (typeof size === 'number') return String(size)
  const { per, plus = 0, div = 1, mul = 1 }: Affine = size
  const inner = `${per === 1 ? 'n' : `${per}n`}${plus === 0 ? '' : ` + ${plus}`}`
  const divided = div === 1 ? inner : `⌈${inner} / ${div}⌉`
  return mul === 1 ? divided : `${mul}·${div === 1 ? `(${inner})` : divided}`
}

/** How a buffer reads: %7 in the arena, names elsewhere. */
function formatBuffer(p: Program, id: number, offset = 0): string {
  const b = p.buffers[id]
  if (b === undefined) return '?'
  const plus = offset === 0 ? '' : `+${offset}`
  if (b.region === 'arena' && b.key === undefined) return `%${id}${plus}`
  return `${b.region}:${b.key ?? `%${id}`}${plus}`
}

function formatWord(p: Program, word: Word): string {
  if (typeof word === 'number') return String(word)
  if ('f32' in word) return `${word.f32}f`
  if ('buffer' in word) return `${formatBuffer(p, word.buffer, word.offset)}${word.perStep === undefined ? '' : `${word.perStep < 0 ? '' : '+'}${word.perStep}t`}`
  return formatSize(word)
}

const formatView = (p: Program, v: View): string => `${formatBuffer(p, v.buffer, v.offset)} ${v.dtype}${formatShape(v.shape)}`

/** A program as text: memory, inputs, calls with their operands, outputs. */
export function printProgram(p: Program): string {
  const lines = [`capacity ${p.capacity}, arena ${p.report.peak} bytes (lower bound ${p.report.lower}, without sharing ${p.report.naive}), kept ${p.sizes.keep}`]
  for (const [name, v] of Object.entries(p.inputs)) lines.push(`input  ${name} = ${formatView(p, v)}`)
  p.calls.forEach((call, i) => {
    if (p.prologue > 0 && i === 0) lines.push('prologue')
    if (p.prologue > 0 && i === p.prologue) lines.push('each run')
    for (const { from, to, steps } of p.loops) if (from === i) lines.push(`loop to ${to - 1}, ${steps} steps t`)
    const names = kernelTable[call.kernel].words
    const operands = call.words.map((w, j) => `${names[j] ?? ''}=${formatWord(p, w)}`).join(' ')
    lines.push(`${call.barrier ? '|' : ' '} ${String(i).padStart(3)} ${call.kernel} ${operands}  tiles ${formatSize(call.tiles)}${call.path === '' ? '' : `  @${call.path}`}`)
  })
  p.buffers.forEach((b) => {
    if (b.region === 'arena') lines.push(`  %${b.id} ${b.dtype} ${formatSize(b.bytes)} bytes at ${b.offset}${b.key === undefined ? '' : ` (${b.key})`}`)
  })
  for (const [name, v] of Object.entries(p.outputs)) lines.push(`output ${name} = ${formatView(p, v)}`)
  return lines.join('\n')
}

/** SHA-256 of a plan. It changes with capacity and fusion; seeds, rates, lanes and addresses are not in it. */
export const programHash = (p: Program): string => sha256Hex(toJson(p))
