// What an LSTM of 128 units learns: the adding problem (Hochreiter, Schmidhuber, 1997) of length 50, and the next character of Shakespeare's
// plays in windows of 64. Bars are losses on data that was not trained on; PyTorch's run of the same configuration (pytorch.py) stands beside.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adam, dense, lstm, mse, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'

const UNITS = 128

/** Sequences of 50 numbers in [0, 1) and two marks, and the sum of the two numbers that are marked. */
function adding(n, seed, steps = 50) {
  let state = seed
  const next = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32 }
  const x = new Float32Array(n * steps * 2), y = new Float32Array(n)
  for (let i = 0; i < n; i++) {
    for (let t = 0; t < steps; t++) x[(i * steps + t) * 2] = next()
    for (const from of [0, steps / 2]) {
      const at = (i * steps + from + Math.floor(next() * (steps / 2))) * 2
      x[at + 1] = 1
      y[i] += x[at]
    }
  }
  return { x, y }
}

/** Windows of 64 characters, one-hot, and the character after each. */
function windows(code, from, to, classes, steps = 64) {
  const n = Math.floor((to - from - 1) / steps)
  const x = new Uint8Array(n * steps * classes), y = new Uint8Array(n * steps)
  for (let i = 0; i < n * steps; i++) { x[i * classes + code[from + i]] = 1; y[i] = code[from + i + 1] }
  return { x, y }
}

/** PyTorch's loss on the same problem, or why there is none. */
function pytorch(problem, seed, root) {
  for (const python of ['python3', '/usr/bin/python3']) {
    if (spawnSync(python, ['-c', 'import torch']).status !== 0) continue
    const run = spawnSync(python, [join(import.meta.dirname, 'pytorch.py'), problem, String(seed), root], { encoding: 'utf8' })
    return run.status === 0 ? `PyTorch ${run.stdout.trim()}` : `PyTorch failed: ${run.stderr.trim().split('\n').at(-1)}`
  }
  return 'PyTorch is not installed (apt-get install python3-torch)'
}

async function train(name, model, { train: { x, y }, test, epochs, batchSize }) {
  const from = performance.now()
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const { loss: [loss] } = await model.fit(x, y, { batchSize })
    console.log(`${name} epoch ${epoch}: ${loss.toFixed(4)} in training, ${(await model.evaluate(test.x, test.y)).loss.toFixed(4)} on unseen data, ${((performance.now() - from) / 1000).toFixed(0)} s`)
  }
  return { loss: (await model.evaluate(test.x, test.y)).loss, seconds: (performance.now() - from) / 1000 }
}

export async function verifyAdding({ root, seeds = 1, report }) {
  for (let seed = 0; seed < seeds; seed++) {
    const model = sequential([lstm(UNITS), dense(1)], { input: [50, 2], seed }).compile({ optimizer: adam({ learningRate: 0.003, globalClipNorm: 1 }), loss: mse() })
    const { loss, seconds } = await train('adding problem', model, { train: adding(10000, 1), test: adding(1000, 2), epochs: 10, batchSize: 50 })
    report(loss <= 0.002, `adding problem, seed ${seed}: ${loss.toFixed(5)} in ${seconds.toFixed(0)} s, bar 0.002 (0.167 by always saying 1); ${pytorch('adding', seed, root)}`)
  }
}

export async function verifyCharacters({ root, seeds = 1, report }) {
  const file = join(root, 'tiny-shakespeare/input.txt')
  if (!existsSync(file)) { report(false, `SKIPPED Tiny Shakespeare: no ${file} (set EQUIGRAD_DATA)`); return }
  const text = readFileSync(file, 'utf8')
  const characters = [...new Set(text)].sort()
  const code = Uint8Array.from(text, (c) => characters.indexOf(c))
  const cut = Math.floor(text.length * 0.9)
  const data = { train: windows(code, 0, cut, characters.length), test: windows(code, cut, text.length, characters.length), epochs: 5, batchSize: 64 }
  for (let seed = 0; seed < seeds; seed++) {
    const model = sequential([lstm(UNITS, { returnSequences: true }), dense(characters.length)], { input: { shape: [64, characters.length], dtype: 'u8' }, seed })
      .compile({ optimizer: adam({ learningRate: 0.005, globalClipNorm: 1 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }) })
    const { loss, seconds } = await train('Tiny Shakespeare', model, data)
    report(loss <= 1.87, `Tiny Shakespeare, seed ${seed}: ${loss.toFixed(4)} nats a character after 5 epochs, ${seconds.toFixed(0)} s, bar 1.87; ${pytorch('characters', seed, root)}`)
  }
}
