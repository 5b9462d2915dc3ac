// Runs a program: walks its list of calls and loops in linear memory. One lane runs it alone; several share out the tiles of each call, take
// them as they come, and meet where a call must wait for those before it. Which lane computes a tile changes no bit.
//
// An entry has 32 bytes. A call: { flags, kernel, descriptor, tiles, –, –, claimed u64 }. A loop: { LOOP, steps, bytes of the entries of
// its body, which follow, address of its patches, their number }; a patch { address of a word, its value at step 0, what it advances by }.
// The function table is the host's: it puts the kernels there, in the order of its kernel table.
import { SCRATCH_BYTES } from '../codes'

const ENTRY: usize = 32
const PATCH: usize = 12
/** flags of an entry */
const BARRIER: u32 = 1
const ALONE: u32 = 2
const LOOP: u32 = 4

// The control block that lanes share, by byte: what starts a run, in a line of its own where lanes meet, then a line for each lane.
const GENERATION: usize = 0
const STOP: usize = 4
const FROM: usize = 8
const TO: usize = 12
const SCRATCH: usize = 16
const LANES: usize = 20
/** slices of a wait without progress, after which a lane is given up */
const PATIENCE: usize = 24
/** 1 + the lane that was given up, or 0 */
const FAILED: usize = 28
/** lanes that wait for a run without spinning */
const IDLE: usize = 32
/** looks at a word before a lane sleeps in a meeting */
const SPINS: usize = 36
const ARRIVED: usize = 64
const PHASE: usize = 68
const SLEEPERS: usize = 72
const LINES: usize = 128
const LINE: usize = 64
/** in a lane's line: steps of its work, the last meeting it came to */
const PROGRESS: usize = 0
const MET: usize = 4

/** Looks at a word before a lane sleeps between two runs of a step: some ten microseconds. */
const SPINS_IDLE: i32 = 50000
/** Nanoseconds of a slice of a wait. */
const SLICE: i64 = 100_000_000

/** What is claimed of a call, in 64 bits: 24 of the call's turn in the run, then how many tiles from the front and from the back. */
const CLAIM_BITS: u64 = 20
const CLAIM_MASK: u32 = 0xfffff

// Of the run that this instance is in. Globals of an instance are its lane's own; nothing of them outlives a run.
let control: usize = 0
let lane: u32 = 0
let lanes: u32 = 1
let scratch: usize = 0
/** calls so far: claims of an earlier turn of a loop do not count */
let ordinal: u32 = 0
/** calls before this point must be done, with what they did, before another lane than the first goes on */
let owed: bool = false
/** have lanes worked side by side since they met? */
let spread: bool = false
/** runs that a worker has taken part in */
let runs: u32 = 0

/** Runs the entries [from, to) on one lane. */
export function run_alone(from: usize, to: usize, scratchAt: usize): void {
  lanes = 1
  lane = 0
  spread = false
  scratch = scratchAt
  walk(from, to)
}

/** Wakes the lanes for the entries [from, to). */
export function start_lanes(controlAt: usize, from: usize, to: usize): void {
  for (let at = from; at < to; at += ENTRY) if (!(load<u32>(at) & LOOP)) store<u64>(at, 0, 24)
  store<u32>(controlAt, <u32>from, FROM)
  store<u32>(controlAt, <u32>to, TO)
  atomic.add<u32>(controlAt + GENERATION, 1)
  if (atomic.load<u32>(controlAt + IDLE) != 0) atomic.notify(controlAt + GENERATION, -1)
}

/** Takes part in the run that was started; 0, or 1 + the lane that was given up. */
export function join_lanes(controlAt: usize, index: u32): u32 {
  control = controlAt
  lane = index
  lanes = load<u32>(controlAt, LANES)
  scratch = load<u32>(controlAt, SCRATCH) + index * <u32>SCRATCH_BYTES
  ordinal = 0
  owed = false
  spread = false
  const failed = walk(load<u32>(controlAt, FROM), load<u32>(controlAt, TO))
  return failed != 0 ? failed : meet()
}

/**
 * A worker's life: waits for runs and takes part in them, until it is told to stop.
 *
 * @param report - come back after each run?
 * @returns 0 when told to stop, else 1 + what join_lanes says
 */
export function lane_main(controlAt: usize, index: u32, report: bool): u32 {
  while (true) {
    awaitRun(controlAt, runs)
    runs++
    if (atomic.load<u32>(controlAt + STOP) != 0) return 0
    const failed = join_lanes(controlAt, index)
    if (report || failed != 0) return 1 + failed
  }
}

function awaitRun(controlAt: usize, seen: u32): void {
  for (let i = 0; i < SPINS_IDLE; i++) if (atomic.load<u32>(controlAt + GENERATION) != seen) return
  atomic.add<u32>(controlAt + IDLE, 1)
  sleep_while(controlAt + GENERATION, seen, -1, 0)
  atomic.sub<u32>(controlAt + IDLE, 1)
}

/**
 * Sleeps while a word has a value: the one place that does. Under V8 11's baseline compiler (Node 20) an atomic.wait makes the 32-bit local or
 * operand beside its operands 0, since it keeps its address, 4 bytes on the stack, as 8. Here that is `spare`. As an export the function keeps
 * that parameter, and as it calls itself (when woken too early) the optimiser does not put it into its callers, beside their locals. (test/runtime/lanes.test.ts)
 *
 * @param time - in nanoseconds, -1 without end
 * @param spare - anything
 * @returns has the time passed?
 */
export function sleep_while(word: usize, value: u32, time: i64, spare: u32): bool {
  if (atomic.load<u32>(word) != value) return false
  return atomic.wait<u32>(word, value, time) == 2 || sleep_while(word, value, time, 0)
}

function walk(from: usize, to: usize): u32 {
  for (let at = from; at < to; at += ENTRY) {
    const flags = load<u32>(at)
    if (flags & LOOP) {
      const end = at + load<u32>(at, 8)
      const failed = loop(at, end)
      if (failed != 0) return failed
      at = end
    } else if (lanes == 1) {
      const tiles = load<u32>(at, 12)
      if (tiles != 0) call_indirect<void>(load<u32>(at, 4), load<usize>(at, 8), scratch, <u32>0, tiles)
    } else {
      const failed = call(at, flags)
      if (failed != 0) return failed
    }
  }
  return 0
}

/** Before a step the first lane advances addresses, while no other reads them. */
function loop(at: usize, end: usize): u32 {
  const steps = load<u32>(at, 4), patches = load<u32>(at, 12), patchesEnd = patches + load<u32>(at, 16) * PATCH
  for (let step: u32 = 0; step < steps; step++) {
    if (spread) {
      const failed = meet()
      if (failed != 0) return failed
      spread = false
    }
    if (lane == 0) for (let p = patches; p < patchesEnd; p += PATCH) store<u32>(load<u32>(p), load<u32>(p, 4) + step * load<u32>(p, 8))
    owed = true
    const failed = walk(at + ENTRY, end + ENTRY)
    if (failed != 0) return failed
  }
  return 0
}

function call(at: usize, flags: u32): u32 {
  const tiles = load<u32>(at, 12)
  ordinal++
  if (flags & BARRIER) owed = true
  if (flags & ALONE || tiles > CLAIM_MASK) {
    // What the first lane did alone it need not wait for. The others owe a meeting before they go on.
    if (owed && spread) {
      const failed = meet()
      if (failed != 0) return failed
      spread = false
      owed = false
    }
    if (lane == 0 && tiles != 0) {
      call_indirect<void>(load<u32>(at, 4), load<usize>(at, 8), scratch, <u32>0, tiles)
      worked()
    }
    return 0
  }
  if (owed) {
    const failed = meet()
    if (failed != 0) return failed
    owed = false
  }
  spread = true
  const kernel = load<u32>(at, 4), descriptor = load<usize>(at, 8)
  const turn: u64 = <u64>(ordinal & 0xffffff) << 2 * CLAIM_BITS
  while (true) {
    // Half of the lanes claim from the front, half from the back: what a lane wrote in one call or step it often finds in its cache in the next.
    const old = atomic.load<u64>(at + 24), claimed: u64 = old >> 2 * CLAIM_BITS << 2 * CLAIM_BITS == turn ? old : turn
    const front = <u32>(claimed >> CLAIM_BITS) & CLAIM_MASK, back = <u32>claimed & CLAIM_MASK
    if (front + back >= tiles) return 0
    const count = max<u32>(1, (tiles - front - back) / (2 * lanes))
    if (atomic.cmpxchg<u64>(at + 24, old, claimed + (lane & 1 ? <u64>count : <u64>count << CLAIM_BITS)) != old) continue
    const begin = lane & 1 ? tiles - back - count : front
    call_indirect<void>(kernel, descriptor, scratch, begin, begin + count)
    worked()
  }
}

/** Says that this lane has done something, for those that wait for it. */
function worked(): void {
  const line = control + LINES + lane * LINE
  atomic.store<u32>(line, load<u32>(line, PROGRESS) + 1, PROGRESS)
}

/** Waits until all lanes are here; 0, or 1 + the lane that was given up. */
function meet(): u32 {
  const line = control + LINES + lane * LINE
  const phase = atomic.load<u32>(control + PHASE)
  worked()
  atomic.store<u32>(line, phase + 1, MET)
  if (atomic.add<u32>(control + ARRIVED, 1) + 1 == lanes) {
    atomic.store<u32>(control + ARRIVED, 0)
    atomic.add<u32>(control + PHASE, 1)
    if (atomic.load<u32>(control + SLEEPERS) != 0) atomic.notify(control + PHASE, -1)
    return 0
  }
  const spins = load<u32>(control, SPINS)
  for (let i: u32 = 0; i < spins; i++) if (atomic.load<u32>(control + PHASE) != phase) return 0
  return sleep(phase)
}

/** The watchdog: waits in slices and gives a lane up when none of those that are missing has done anything for so many. */
function sleep(phase: u32): u32 {
  const patience = load<u32>(control, PATIENCE)
  let still: u32 = 0, last = progress()
  atomic.add<u32>(control + SLEEPERS, 1)
  while (atomic.load<u32>(control + PHASE) == phase && atomic.load<u32>(control + FAILED) == 0) {
    if (!sleep_while(control + PHASE, phase, SLICE, 0)) continue
    const now = progress()
    still = now == last ? still + 1 : 0
    last = now
    if (still < patience) continue
    // Other lanes that sleep look at it after their slice.
    atomic.cmpxchg<u32>(control + FAILED, 0, 1 + missing(phase))
  }
  atomic.sub<u32>(control + SLEEPERS, 1)
  return atomic.load<u32>(control + FAILED)
}

/** Steps of the work of all lanes. */
function progress(): u32 {
  let sum: u32 = 0
  for (let i: u32 = 0; i < lanes; i++) sum += atomic.load<u32>(control + LINES + i * LINE, PROGRESS)
  return sum
}

/** The first lane that has not come to a meeting. */
function missing(phase: u32): u32 {
  for (let i: u32 = 0; i < lanes; i++) if (atomic.load<u32>(control + LINES + i * LINE, MET) != phase + 1) return i
  return 0
}
