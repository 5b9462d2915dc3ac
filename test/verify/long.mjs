// A long training does not slow down over 5 000 steps and does not gather memory over 10 000: 784-64-64-10, with a fifth of the labels at random and with all
// of them right (gradients that vanish drive an optimizer's moments into denormals, which are slow).
//
// Other programs come and go meanwhile, so speed is processor time, and beside every stretch of steps stands one of a reference that does the same
// work each time: training a model that begins anew.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { accuracy, adam, dense, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { digits } from '../../dist/data.js'

const BATCH = 128
/** Steps of one stretch: an epoch over as many batches. */
const STRETCH = 50
const STRETCHES = 200
/** Stretches whose speed counts as the beginning (steps 100 to 600), and as late (4 500 to 5 000). */
const EARLY = [2, 12], LATE = [90, 100]
const SPEED = 0.95
const HEAP = 1e6

const net = () => sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 1 })
  .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

/** Seconds of processor time of one stretch. */
async function stretch(model, x, y) {
  const before = process.cpuUsage()
  const { loss: [loss] } = await model.fit(x, y, { batchSize: BATCH })
  const { user, system } = process.cpuUsage(before)
  return { seconds: (user + system) / 1e6, loss }
}

/** Seconds of steps 50 to 100 of a model that begins anew. */
async function reference(x, y) {
  const fresh = net()
  await stretch(fresh, x, y)
  const { seconds } = await stretch(fresh, x, y)
  fresh[Symbol.dispose]()
  return seconds
}

async function train(name, x, y, { report }) {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  const heap = () => { gc(); return process.memoryUsage().heapUsed }
  const model = net()
  const ratios = []
  let loss = NaN, before = 0
  for (let i = 0; i < STRETCHES; i++) {
    const measured = (i >= EARLY[0] && i < EARLY[1]) || (i >= LATE[0] && i < LATE[1])
    if (i === EARLY[0]) before = heap()
    const found = await stretch(model, x, y)
    loss = found.loss
    if (!measured) continue
    ratios.push({ i, speed: (await reference(x, y)) / found.seconds })
  }
  const of = ([from, to]) => median(ratios.filter(({ i }) => i >= from && i < to).map(({ speed }) => speed))
  const grown = heap() - before
  report(of(LATE) / of(EARLY) >= SPEED, `${name}: after 5 000 steps (loss ${loss.toExponential(1)}) as fast as at the beginning: ${(100 * of(LATE) / of(EARLY)).toFixed(1)} % (at least ${100 * SPEED} %)`)
  report(grown < HEAP, `${name}: JavaScript's heap has grown by ${(grown / 1e3).toFixed(0)} kB from step 100 to 10 000 (less than ${HEAP / 1e3} kB)`)
}

export async function verifyLong(options) {
  const { images: x, labels } = digits({ samples: BATCH * STRETCH, seed: 5 })
  // What an engine gathers once about code that runs for the first time is no growth.
  const warm = net()
  for (let i = 0; i < 25; i++) await stretch(warm, x, labels)
  for (let i = 0; i < 5; i++) await reference(x, labels)
  await train('labels all right', x, labels, options)
  await train('a fifth of the labels at random', x, labels.map((label, i) => (i % 5 === 0 ? (Math.imul(i + 7, 0x85ebca6b) >>> 8) % 10 : label)), options)
}
