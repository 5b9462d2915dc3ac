// A character LSTM: it learns a text by heart, letter by letter, and goes on from a few words in its manner. Its states are carried from one
// part of the text to the next (truncated backpropagation through time), and from one letter it draws to the next.
//   npm run build && node examples/characters.mjs [FILE]      four of Shakespeare's sonnets, or a text of one's own
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adam, affine, dense, functional, input, lstm, mean, softmax, sparseCategoricalCrossentropy, step } from 'equigrad'

/**
 * @param options - `text`; `units` of the LSTM; `steps` of each part of the text; `streams`: places of the text that are read side by side;
 * `passes` through the text; `start` and `length` of what is written, `temperature`: below 1 it keeps to the
 * likelier letters; `log`
 * @returns the loss of each pass in nats a character, and what was written
 */
export async function run({ text = sonnets(), units = 128, steps = 32, streams = 8, passes = 100, start = 'Shall I ', length = 300, temperature = 0.5, log = console.log } = {}) {
  const characters = [...new Set(text + start)].sort()
  const classes = characters.length
  const code = Array.from(text, (c) => characters.indexOf(c))

  const cell = lstm(units, { returnSequences: true })
  const head = dense(classes)
  /** The net over some steps: letters and states in, scores of the next letter and states out. The layers, so the weights, are the same in all. */
  const over = (T, last = (scores) => scores) => {
    const [x, h, c] = [input([T, classes], { dtype: 'u8' }), input([units]), input([units])]
    const { output, states } = cell.withStates(x, { initialStates: [h, c] })
    return functional({ x, h, c }, { y: last(head(output)), h: states[0], c: states[1] }, { seed: 1 })
  }

  const net = over(steps)
  const loss = sparseCategoricalCrossentropy({ fromLogits: true })
  const inputs = { x: [steps, classes], next: { shape: [steps], below: classes }, h: [units], c: [units] }
  const train = step(net, inputs, ({ x, next, h, c }) => {
    const out = net.call({ x, h, c })
    const objective = mean(loss.perSample(out.y, next))
    return { loss: objective, h: out.h, c: out.c, update: adam({ learningRate: 0.005, globalClipNorm: 1 }).minimize(objective, net.weights) }
  })

  const each = Math.floor((code.length - 1) / streams)
  const losses = []
  for (let pass = 0; pass < passes; pass++) {
    let states = { h: new Float32Array(streams * units), c: new Float32Array(streams * units) }
    let sum = 0, parts = 0
    for (let from = 0; from + steps <= each; from += steps) {
      const x = new Uint8Array(streams * steps * classes), next = new Uint8Array(streams * steps)
      for (let i = 0; i < streams * steps; i++) {
        const at = Math.floor(i / steps) * each + from + (i % steps)
        x[i * classes + code[at]] = 1
        next[i] = code[at + 1]
      }
      const done = await train({ x, next, ...states })
      states = { h: done.h.data, c: done.c.data }
      sum += done.loss
      parts++
    }
    losses.push(sum / parts)
    if ((pass + 1) % Math.max(1, Math.floor(passes / 10)) === 0) log(`pass ${pass + 1}  ${(sum / parts).toFixed(3)} nats a character`)
  }

  const one = over(1, (scores) => softmax(affine(scores, 1 / temperature, 0)))
  let states = { h: new Float32Array(units), c: new Float32Array(units) }
  let written = start
  let state = 1
  for (let i = 0; i < start.length + length - 1; i++) {
    const x = new Uint8Array(classes)
    x[characters.indexOf(written[i])] = 1
    const { y, h, c } = one.predictSync({ x, ...states })
    states = { h: h.data, c: c.data }
    if (i < start.length - 1) continue
    // A draw by the probabilities, from a generator that is the same everywhere.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    let rest = state / 2 ** 32
    written += characters[y.data.findIndex((p, k) => (rest -= p) < 0 || k === classes - 1)]
  }
  log(`\n${written}`)
  return { losses, written }
}

function sonnets() { return readFileSync(join(import.meta.dirname, 'sonnets.txt'), 'utf8') }

if (process.argv[1] === import.meta.filename) await run(process.argv[2] === undefined ? {} : { text: readFileSync(process.argv[2], 'utf8'), passes: 3 })
