// A module with the locals of its functions numbered anew: the same instructions in the same order, only which number stands for which value is another.
// A compiler numbers each function for itself; so numbered that code which is alike has like numbers, it is alike in its bytes, and gzip finds it.
//
// A value is what is in a local from where it is set until it is last read; two that are never needed at once may share a number. Each value in turn is
// tried with the numbers that stand in places like its own, and takes the one with which the function is pressed best.

const GET = 0x20, TEE = 0x22, ATOMIC = 0xfe
/** Numbers that are a byte: an instruction of a local stays as long as it is. */
const NUMBERS = 128
/** Numbers beyond those that a function has, which values may take. */
const FRESH = 4
/** Times that each value is looked at, and numbers that it is then tried with. */
const ROUNDS = 2, TRIED = 4
/** Instructions to each side by which places are compared, and the latest places that are. */
const SIDE = 16, LATEST = 24

const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)])

/** Reads bytes from a place on. */
class Reader {
  constructor(bytes, at = 0) { this.bytes = bytes; this.at = at }

  byte() { return this.bytes[this.at++] }

  leb() { for (let value = 0, power = 1; ; power *= 128) { const byte = this.byte(); value += (byte & 127) * power; if (byte < 128) return value } }

  list(read) { return Array.from({ length: this.leb() }, read) }

  /** Goes over the operands of an instruction. */
  operands(op) {
    const memory = () => { this.leb(); this.leb() }
    if ((op >= 0x02 && op <= 0x04) || op === 0x3f || op === 0x40) this.at++
    else if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= GET && op <= 0x24) || op === 0x41 || op === 0x42) this.leb()
    else if (op === 0x0e) for (let count = this.leb(); count >= 0; count--) this.leb()
    else if (op === 0x11 || (op >= 0x28 && op <= 0x3e)) memory()
    else if (op === 0x43) this.at += 4
    else if (op === 0x44) this.at += 8
    else if (op === 0xfc) { const code = this.leb(); if (code > 7) this.at += code === 10 ? 2 : 1 }
    else if (op === 0xfd) {
      const code = this.leb()
      if (code <= 11 || (code >= 84 && code <= 93)) memory()
      if (code === 12 || code === 13) this.at += 16
      if ((code >= 21 && code <= 34) || (code >= 84 && code <= 91)) this.at++
    } else if (op === ATOMIC) { if (this.leb() === 3) this.at++; else memory() }
  }
}

/** @returns the functions of a module, { params, locals, code, ops }, and the bytes before and after the section that they are */
function functionsOf(wasm) {
  const reader = new Reader(wasm, 8), sections = new Map()
  while (reader.at < wasm.length) {
    const start = reader.at, id = reader.byte(), size = reader.leb()
    sections.set(id, { start, at: reader.at, end: reader.at + size })
    reader.at += size
  }
  const list = (id, read) => { reader.at = sections.get(id).at; return reader.list(read) }
  const types = list(1, () => { reader.byte(); const params = reader.list(() => reader.byte()); reader.list(() => reader.byte()); return params })
  const typeOf = list(3, () => reader.leb())
  const functions = list(10, (_, i) => {
    const end = reader.leb() + reader.at
    const locals = reader.list(() => { const count = reader.leb(), type = reader.byte(); return new Array(count).fill(type) }).flat()
    const code = wasm.slice(reader.at, end)
    reader.at = end
    return { params: types[typeOf[i]], locals, code, ops: opsOf(code) }
  })
  const { start, end } = sections.get(10)
  return { functions, before: wasm.subarray(0, start), after: wasm.subarray(end) }
}

/** The instructions of a function: { op, at: place of the operands, end }. */
function opsOf(code) {
  const reader = new Reader(code), ops = []
  while (reader.at < code.length) {
    const op = reader.byte(), at = reader.at
    reader.operands(op)
    ops.push({ op, at, end: reader.at })
  }
  return ops
}

const ofLocal = ({ op }) => op >= GET && op <= TEE

/** Runs of instructions [from, to) with those that may follow, by number. */
function blocksOf({ code, ops }) {
  const starts = new Set([0]), jumps = new Map(), open = [{ outs: [] }]
  ops.forEach(({ op, at }, i) => {
    const reader = new Reader(code, at)
    const jump = (goesOn) => { jumps.set(i, goesOn ? [i + 1] : []); starts.add(i + 1) }
    const branch = () => { const label = open.at(-1 - reader.leb()); if (label.loop === undefined) label.outs.push(i); else jumps.get(i).push(label.loop) }
    if (op === 0x02) open.push({ outs: [] })
    else if (op === 0x03) { open.push({ outs: [], loop: i + 1 }); starts.add(i + 1) }
    else if (op === 0x04) { jump(true); open.push({ outs: [], condition: i }) }
    else if (op === 0x05) {
      const label = open.at(-1)
      jump(false)
      label.outs.push(i)
      jumps.get(label.condition).push(i + 1)
      label.condition = undefined
    } else if (op === 0x0b) {
      const { outs, condition } = open.pop()
      for (const from of condition === undefined ? outs : [...outs, condition]) jumps.get(from).push(i + 1)
      starts.add(i + 1)
    } else if (op === 0x0c || op === 0x0d) { jump(op === 0x0d); branch() }
    else if (op === 0x0e) { jump(false); for (let count = reader.leb(); count >= 0; count--) branch() }
    else if (op === 0x00 || op === 0x0f) jump(false)
  })
  starts.delete(ops.length)
  const sorted = [...starts].sort((a, b) => a - b), number = new Map(sorted.map((start, b) => [start, b]))
  return sorted.map((from, b) => {
    const to = sorted[b + 1] ?? ops.length
    return { from, to, next: [...new Set(jumps.get(to - 1) ?? [to])].filter((i) => i < ops.length).map((i) => number.get(i)) }
  })
}

/**
 * The values of a function.
 *
 * @returns of each instruction its value, or −1; of each value its type, the parameter that it begins as, or −1, whether it begins as 0, and the values
 * that are needed while it is
 */
function valuesOf(f) {
  const { code, ops, params } = f, all = [...params, ...f.locals], blocks = blocksOf(f)
  const local = ops.map((x) => (ofLocal(x) ? new Reader(code, x.at).leb() : -1))
  const reached = new Set(), todo = [0]
  while (todo.length > 0) { const b = todo.pop(); if (!reached.has(b)) { reached.add(b); todo.push(...blocks[b].next) } }

  // needed[b]: locals that are read in a block, or after it, before they are set
  const needed = blocks.map(() => new Set()), set = blocks.map(() => new Set())
  blocks.forEach(({ from, to }, b) => { for (let i = from; i < to; i++) if (local[i] >= 0) { if (ops[i].op !== GET) set[b].add(local[i]); else if (!set[b].has(local[i])) needed[b].add(local[i]) } })
  const sizes = () => needed.reduce((sum, { size }) => sum + size, 0)
  for (let last = -1; last !== sizes();) {
    last = sizes()
    for (let b = blocks.length - 1; b >= 0; b--) for (const next of blocks[b].next) for (const l of needed[next]) if (!set[b].has(l)) needed[b].add(l)
  }

  // Settings that reach one reading are one value.
  const parent = []
  const make = () => parent.push(parent.length) - 1
  const find = (x) => { while (parent[x] !== x) x = parent[x] = parent[parent[x]]; return x }
  const join = (x, y) => { parent[find(x)] = find(y) }
  const first = all.map(make), into = needed.map((locals) => new Map([...locals].map((l) => [l, make()]))), nodes = new Array(ops.length).fill(-1)
  for (const [l, x] of into[0]) join(x, first[l])
  blocks.forEach(({ from, to, next }, b) => {
    const now = new Map(into[b])
    for (let i = from; i < to; i++) {
      if (local[i] < 0) continue
      if (ops[i].op !== GET || !now.has(local[i])) now.set(local[i], make())
      nodes[i] = now.get(local[i])
    }
    if (reached.has(b)) for (const n of next) for (const [l, x] of into[n]) join(now.get(l), x)
  })

  const numbers = new Map(), types = []
  const valueOf = (x, l) => {
    const root = find(x)
    if (!numbers.has(root)) { numbers.set(root, types.length); types.push(all[l]) }
    return numbers.get(root)
  }
  const value = nodes.map((x, i) => (x < 0 ? -1 : valueOf(x, local[i])))
  const begins = [...into[0].keys()].map((l) => [l, valueOf(first[l], l)])
  const parameter = types.map(() => -1), zero = types.map(() => false), beside = types.map(() => new Set())
  for (const [l, v] of begins) if (l < params.length) parameter[v] = l; else zero[v] = true
  const meet = (v, others) => { for (const o of others) if (o !== v) { beside[v].add(o); beside[o].add(v) } }
  for (const [, v] of begins) meet(v, begins.map(([, o]) => o))
  blocks.forEach(({ from, to, next }) => {
    const live = new Set(next.flatMap((n) => [...into[n]].map(([l, x]) => valueOf(x, l))))
    for (let i = to - 1; i >= from; i--) {
      if (value[i] < 0) continue
      if (ops[i].op === GET) live.add(value[i])
      else { meet(value[i], live); live.delete(value[i]) }
    }
  })
  return { value, types, parameter, zero, beside }
}

/** Are two functions the same but for numbers of locals, and their values the same? Then each reading reads what the same settings set, on every way to it. */
function sameFunction(f, g) {
  const numbers = new Set(f.ops.filter(ofLocal).map(({ at }) => at)), sameBytes = (byte, at) => byte === g.code[at] || (numbers.has(at) && Math.max(byte, g.code[at]) < NUMBERS)
  if (f.code.length !== g.code.length || String(f.params) !== String(g.params) || !f.code.every(sameBytes)) return false
  const a = valuesOf(f), b = valuesOf(g), to = new Map(), from = new Map()
  return a.value.every((v, i) => {
    const w = b.value[i]
    if (v < 0) return w < 0
    if (!to.has(v) && !from.has(w)) { to.set(v, w); from.set(w, v) }
    return to.get(v) === w && from.get(w) === v && a.types[v] === b.types[w] && a.parameter[v] === b.parameter[w] && a.zero[v] === b.zero[w]
  })
}

/**
 * @param {Uint8Array} a - a module
 * @param {Uint8Array} b - another
 * @returns {boolean} do they differ in numbers of locals alone, and compute the same?
 */
export function sameButForNumbers(a, b) {
  const [x, y] = [functionsOf(a), functionsOf(b)], equal = (p, q) => Buffer.compare(p, q) === 0
  return equal(x.before, y.before) && equal(x.after, y.after) && x.functions.length === y.functions.length && x.functions.every((f, i) => sameFunction(f, y.functions[i]))
}

/** How many bits deflate takes, nearly: the cheapest way through a function by single bytes and by repeats of what lies up to 32 kB before. */
class Press {
  static WINDOW = 32_768
  static LONGEST = 32
  /** repeats that are looked at */
  static DEPTH = 16

  constructor(functions) {
    const size = functions.reduce((sum, { code }) => sum + code.length, 0), counts = new Uint32Array(256)
    for (const { code } of functions) for (const byte of code) counts[byte]++
    this.alone = Float64Array.from(counts, (count) => Math.min(11, Math.max(4, 1 - Math.log2((count + 4) / size))))
    this.distance = Float64Array.from({ length: Press.WINDOW + 1 }, (_, d) => 4 + Math.max(0, Math.floor(Math.log2(d || 1)) - 1))
    this.length = Float64Array.from({ length: Press.LONGEST + 1 }, (_, l) => (l < 11 ? 3 + l / 4 : 3 + Math.floor(Math.log2(l - 3))))
    this.bytes = new Uint8Array(size + 3)
    this.head = new Int32Array(65536).fill(-1)
    this.previous = new Int32Array(size)
    this.hash = new Uint16Array(size)
    this.start = this.end = this.known = 0
  }

  /** The function after the last: its bytes, to be changed in place. */
  next(code) {
    this.learn(this.end)
    this.start = this.end
    this.end += code.length
    this.bytes.set(code, this.start)
    this.best = new Float64Array(code.length + 1)
    this.tried = new Float64Array(code.length + 1)
    return this.bytes.subarray(this.start, this.end)
  }

  /** Knows what begins before a place, and nothing else. */
  learn(to) {
    const { head, previous, hash } = this
    for (; this.known > to; this.known--) head[hash[this.known - 1]] = previous[this.known - 1]
    while (this.known < to) this.know(this.known)
  }

  know(at) {
    const { bytes } = this, h = (bytes[at] * 0x9e5f ^ bytes[at + 1] * 0x3d4d ^ bytes[at + 2] * 0x79b1 ^ bytes[at] << 9) & 0xffff
    this.hash[at] = h
    this.previous[at] = this.head[h]
    this.head[h] = at
    this.known = at + 1
  }

  /** Bits of the function, of whose bytes some from `from` on have changed. What comes `stop` bytes after its begin is taken to press as it did. */
  price(from, stop = this.end - this.start) {
    const { bytes, start, previous, tried, best, alone, distance, length } = this, end = Math.min(this.end, start + stop), size = this.end - this.start
    const begin = Math.max(0, from - Press.LONGEST)
    this.learn(start + begin)
    tried.fill(Infinity, from + 1)
    for (let p = begin; p <= from; p++) tried[p] = best[p]
    for (let p = begin; start + p < end; p++) {
      const at = start + p, here = tried[p], most = Math.min(Press.LONGEST, this.end - at)
      if (p >= from && here + alone[bytes[at]] < tried[p + 1]) tried[p + 1] = here + alone[bytes[at]]
      this.know(at)
      let longest = 2
      for (let other = previous[at], depth = Press.DEPTH; other >= 0 && depth > 0 && at - other <= Press.WINDOW && longest < most; other = previous[other], depth--) {
        if (bytes[other + longest] !== bytes[at + longest]) continue
        let l = 0
        while (l < most && bytes[other + l] === bytes[at + l]) l++
        for (let q = Math.max(longest, from - p) + 1; q <= l; q++) {
          const bits = here + distance[at - other] + length[q]
          if (bits < tried[p + q]) tried[p + q] = bits
        }
        longest = Math.max(longest, l)
      }
    }
    this.learn(start + Math.max(0, from - 2))
    return end === this.end ? tried[size] : best[size] + tried[end - start] - best[end - start]
  }

  /** What was priced last stays. */
  accept() { [this.best, this.tried] = [this.tried, this.best] }
}

/** Bytes behind a change that are looked at. */
const HORIZON = 128

/** Bits of a run of locals of one type. */
const RUN_BITS = 12

/** The module, function by function: what is known of those before. */
class Numbering {
  constructor(functions) {
    this.press = new Press(functions)
    this.kinds = new Map()
    /** of all instructions so far: their kind, equal for equal ones but for numbers of locals; those numbers, or −1 */
    this.kind = []
    this.number = []
    /** of three kinds in a row, where they are */
    this.places = new Map()
  }

  kindOf(key) {
    if (!this.kinds.has(key)) this.kinds.set(key, this.kinds.size)
    return this.kinds.get(key)
  }

  around(at) { return `${this.kind[at - 1]} ${this.kind[at]} ${this.kind[at + 1]}` }

  /** @returns code and types of locals of the next function, with other numbers */
  next({ params, locals, code, ops }) {
    const bytes = this.press.next(code), type = [...params, ...locals]
    const values = valuesOf({ params, locals, code, ops }), places = values.types.map(() => []), first = this.kind.length + 1
    values.value.forEach((v, i) => { if (v >= 0) places[v].push(i) })
    const numberOf = places.map(([i]) => (i === undefined ? -1 : code[ops[i].at]))
    const add = (kind, number) => { this.kind.push(kind); this.number.push(number) }
    // A kind of its own on both sides, so that nothing is compared over the border.
    add(-first, -1)
    ops.forEach((x, i) => {
      add(this.kindOf(ofLocal(x) ? x.op : String.fromCharCode(...code.subarray(i === 0 ? 0 : ops[i - 1].end, x.end))), values.value[i] < 0 ? -1 : numberOf[values.value[i]])
    })
    add(-first, -1)
    for (let i = 0; i < ops.length; i++) {
      if (values.value[i] < 0) continue
      const key = this.around(first + i)
      if (!this.places.has(key)) this.places.set(key, [])
      this.places.get(key).push(first + i)
    }
    // An atomic operation may harm the numbers beside its operands on an older engine (assembly/run/run.ts): those functions stay as they are.
    if (type.length > NUMBERS || ops.some(({ op }) => op === ATOMIC)) return { code, locals }
    this.improve({ ...values, places, numberOf, type, count: Math.min(NUMBERS, type.length + FRESH), params: params.length, first, code: bytes, ops })
    // A fresh number that no value took has the type of the one before.
    for (let c = 1; c < type.length; c++) type[c] ??= type[c - 1]
    return { code: bytes.slice(), locals: type.slice(params.length, Math.max(params.length, ...numberOf.map((c) => c + 1))) }
  }

  improve(s) {
    let best = this.press.price(0) + RUN_BITS * runsOf(s.type, s.params)
    this.press.accept()
    const inOrder = s.numberOf.map((_, v) => v).filter((v) => s.parameter[v] < 0 && s.places[v].length > 0).sort((v, w) => s.places[v][0] - s.places[w][0])
    for (let round = 0, moved = true; round < ROUNDS && moved; round++) {
      moved = false
      for (const v of inOrder) {
        let better = null, least = best
        for (const move of this.numbersFor(s, v).flatMap((c) => movesTo(s, v, c))) {
          const { from, to } = this.make(s, move)
          const bits = this.press.price(from, to + HORIZON) + RUN_BITS * runsOf(s.type, s.params)
          this.make(s, move)
          if (bits < least - 0.01) { least = bits; better = move }
        }
        if (better === null) continue
        best = this.press.price(this.make(s, better).from) + RUN_BITS * runsOf(s.type, s.params)
        this.press.accept()
        moved = true
      }
    }
  }

  /** Values change places between two numbers, and the numbers their types if they are to; the same move undoes it. @returns the first and the last byte that changed */
  make(s, { a, b, values, types }) {
    let from = s.code.length, to = 0
    for (const v of values) {
      s.numberOf[v] = s.numberOf[v] === a ? b : a
      for (const i of s.places[v]) { s.code[s.ops[i].at] = s.numberOf[v]; this.number[s.first + i] = s.numberOf[v] }
      from = Math.min(from, s.ops[s.places[v][0]].at)
      to = Math.max(to, s.ops[s.places[v].at(-1)].at)
    }
    if (types) [s.type[a], s.type[b]] = [s.type[b], s.type[a]]
    return { from, to }
  }

  /** The numbers that stand in places most like those of a value. */
  numbersFor(s, v) {
    const votes = new Map(), mine = s.numberOf[v]
    for (const i of s.places[v]) {
      const at = s.first + i, here = new Map(), others = this.places.get(this.around(at))
      for (let k = others.length - 1; k >= Math.max(0, others.length - LATEST); k--) {
        const other = others[k], c = this.number[other]
        if (c === mine || c >= s.count) continue
        const agrees = (q) => this.kind[other + q] === this.kind[at + q] && (this.number[other + q] === this.number[at + q] || (s.value[i + q] === v && this.number[other + q] === c))
        let like = 1
        for (let q = 1; q < SIDE && agrees(q); q++) like++
        for (let q = -1; q > -SIDE && agrees(q); q--) like++
        if (like > (here.get(c) ?? 0)) here.set(c, like)
      }
      for (const [c, like] of here) votes.set(c, (votes.get(c) ?? 0) + like)
    }
    return [...votes].sort((x, y) => y[1] - x[1]).slice(0, TRIED).map(([c]) => c)
  }
}

/** Runs of one type among the locals. A fresh number has no type until a value takes it. */
function runsOf(type, params) {
  let runs = 0
  for (let c = params; c < type.length; c++) if (type[c] !== undefined && (c === params || type[c] !== type[c - 1])) runs++
  return runs
}

/** The ways for a value to have a number: with those that are needed beside it in its place, and so on; or all of both numbers. */
function movesTo(s, v, b) {
  const a = s.numberOf[v], moves = []
  if (s.type[b] === s.type[a]) {
    const values = new Set([v])
    for (const one of values) for (const other of s.beside[one]) if (s.numberOf[other] === (s.numberOf[one] === a ? b : a)) values.add(other)
    const fixed = [...values].some((one) => s.parameter[one] >= 0 || (s.zero[one] && Math.min(a, b) < s.params))
    if (!fixed) moves.push({ a, b, values: [...values], types: false })
  }
  if (a >= s.params && b >= s.params) moves.push({ a, b, values: s.numberOf.flatMap((c, one) => (c === a || c === b ? [one] : [])), types: true })
  return moves
}

/**
 * @param {Uint8Array} wasm - a module
 * @returns {Uint8Array} the module with other numbers of locals
 * @throws Error if it would compute something else
 */
export function renumbered(wasm) {
  const { functions, before, after } = functionsOf(wasm), numbering = new Numbering(functions)
  const bodies = functions.map((f) => {
    const { code, locals } = numbering.next(f)
    const runs = []
    for (const type of locals) if (runs.at(-1)?.type === type) runs.at(-1).count++; else runs.push({ type, count: 1 })
    const bytes = [...leb(runs.length), ...runs.flatMap(({ type, count }) => [...leb(count), type]), ...code]
    return [...leb(bytes.length), ...bytes]
  })
  const section = [...leb(bodies.length), ...bodies.flat()]
  const other = Uint8Array.from([...before, 10, ...leb(section.length), ...section, ...after])
  if (!sameButForNumbers(wasm, other)) throw new Error('wasm-locals: the module would compute something else')
  return other
}
