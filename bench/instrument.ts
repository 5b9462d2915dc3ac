// A WebAssembly module that counts the instructions it executes: what a run costs, without a clock, and the same on every machine.
//
// Each stretch of code without a branch adds the number of its instructions to an exported global when it is entered. Marks of structure (block,
// loop, else, end, nop) do not count; a bulk operation (memory.fill, memory.copy) counts as one instruction whatever it moves.
// Formats: WebAssembly Core Specification 2.0, chapter 5.

/** Name of the exported global, an i64. */
export const COUNTER = 'instructions'

const GLOBALS = 6, EXPORTS = 7, CODE = 10
const BLOCK = 0x02, LOOP = 0x03, IF = 0x04, ELSE = 0x05, END = 0x0b, BR = 0x0c, BR_IF = 0x0d, BR_TABLE = 0x0e, RETURN = 0x0f, NOP = 0x01
/** After these another instruction than the next in the file may follow, or the next may be come to from elsewhere. */
const ENDS_STRETCH: ReadonlySet<number> = new Set([LOOP, IF, ELSE, END, BR, BR_IF, BR_TABLE, RETURN])
const FREE: ReadonlySet<number> = new Set([BLOCK, LOOP, ELSE, END, NOP])

/** An unsigned number in LEB128. */
function leb(value: number): number[] {
  const low = value % 128
  return value < 128 ? [low] : [low | 128, ...leb(Math.floor(value / 128))]
}
/** A signed one, not negative. */
const signed = (value: number): number[] => (value < 64 ? [value] : [(value % 128) | 128, ...signed(Math.floor(value / 128))])

class Reader {
  at: number

  constructor(readonly bytes: Uint8Array, from = 0) { this.at = from }

  byte(): number { return this.bytes[this.at++] ?? 0 }

  /** An unsigned number; of a signed one, only the length is of use. */
  leb(): number {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = this.byte()
      value += (byte & 127) * unit
      if (byte < 128) return value
    }
  }

  skipLebs(count: number): void { for (let i = 0; i < count; i++) this.leb() }

  slice(length: number): Uint8Array { return this.bytes.subarray(this.at, (this.at += length)) }

  /** Reads one instruction with its immediates; its first byte. */
  instruction(): number {
    const op = this.byte()
    if (op === BR_TABLE) this.skipLebs(this.leb() + 1)
    else if (op === 0x1c) this.slice(this.leb())
    else if (op === 0x43) this.slice(4)
    else if (op === 0x44) this.slice(8)
    else if (op === 0xfc) this.#bulk()
    else if (op === 0xfd) this.#vector()
    else if (op === 0xfe) this.#atomic()
    else this.skipLebs(immediates(op))
    return op
  }

  #bulk(): void {
    const op = this.leb()
    if (op >= 8) this.skipLebs(op === 8 || op === 10 || op === 12 || op === 14 ? 2 : 1)
  }

  #vector(): void {
    const op = this.leb()
    if (op <= 11 || op === 92 || op === 93) this.skipLebs(2)
    else if (op === 12 || op === 13) this.slice(16)
    else if (op >= 21 && op <= 34) this.slice(1)
    else if (op >= 84 && op <= 91) { this.skipLebs(2); this.slice(1) }
  }

  #atomic(): void { this.skipLebs(this.leb() === 3 ? 1 : 2) }
}

/** Numbers that follow a plain opcode. */
function immediates(op: number): number {
  if (op === 0x11 || (op >= 0x28 && op <= 0x3e)) return 2
  if ((op >= BLOCK && op <= IF) || op === BR || op === BR_IF || op === 0x10) return 1
  return (op >= 0x20 && op <= 0x26) || (op >= 0x3f && op <= 0x42) || op === 0xd0 || op === 0xd2 ? 1 : 0
}

/** A function's body: declarations of locals, then code. */
function counted(body: Uint8Array, counter: number): number[] {
  const reader = new Reader(body)
  for (let i = reader.leb(); i > 0; i--) { reader.leb(); reader.byte() }
  const out = [...body.subarray(0, reader.at)]
  while (reader.at < body.length) {
    const from = reader.at
    let cost = 0
    for (let op = NOP; !ENDS_STRETCH.has(op) && reader.at < body.length;) {
      op = reader.instruction()
      if (!FREE.has(op)) cost++
    }
    if (cost > 0) out.push(0x23, ...leb(counter), 0x42, ...signed(cost), 0x7c, 0x24, ...leb(counter))
    for (let i = from; i < reader.at; i++) out.push(body[i] ?? 0)
  }
  return out
}

/** The contents of a vector section, its entries changed or more of them. */
function code(contents: Uint8Array, counter: number): number[] {
  const reader = new Reader(contents), count = reader.leb(), out = leb(count)
  for (let i = 0; i < count; i++) {
    const body = counted(reader.slice(reader.leb()), counter)
    for (const byte of [...leb(body.length), ...body]) out.push(byte)
  }
  return out
}

function extended(contents: Uint8Array, entry: readonly number[]): number[] {
  const reader = new Reader(contents), count = reader.leb()
  return [...leb(count + 1), ...contents.subarray(reader.at), ...entry]
}

/** The same module with an exported global that counts; it must have globals and exports, and import no globals. */
export function instrumented(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = [...module.subarray(0, 8)]
  const name = [...new TextEncoder().encode(COUNTER)]
  let counter = -1
  for (const reader = new Reader(module, 8); reader.at < module.length;) {
    const id = reader.byte(), contents = reader.slice(reader.leb())
    if (id === GLOBALS) counter = new Reader(contents).leb()
    if ((id === EXPORTS || id === CODE) && counter < 0) throw new Error('instrument: expected a module with globals, got none')
    const changed = id === GLOBALS ? extended(contents, [0x7e, 1, 0x42, 0, END])
      : id === EXPORTS ? extended(contents, [...leb(name.length), ...name, 3, ...leb(counter)])
        : id === CODE ? code(contents, counter) : contents
    out.push(id, ...leb(changed.length))
    for (const byte of changed) out.push(byte)
  }
  return Uint8Array.from(out)
}
