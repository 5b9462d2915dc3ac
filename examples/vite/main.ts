// A Vite app in TypeScript: the model trains in a worker (trainer.ts), the page shows how it comes along and what it says of digits it has not seen.
//   npm install && npm start
import { accuracy, adam, dense, sequential, sparseCategoricalCrossentropy } from 'equigrad'
import { digits } from 'equigrad/data'
import { inWorker } from 'equigrad/worker'

const show = (id: string, text: string): void => { const found = document.getElementById(id); if (found !== null) found.textContent = text }

async function run(): Promise<{ readonly said: readonly number[]; readonly accuracy: number; readonly state: string }> {
  const seen = digits({ samples: 1500, seed: 1 }), unseen = digits({ samples: 16, seed: 2 })
  const here = sequential([dense(32, { activation: 'relu' }), dense(10)], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 4 })
    .compile({ optimizer: adam({ learningRate: 0.003 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }), metrics: [accuracy()] })
  const model = await inWorker(new Worker(new URL('./trainer.ts', import.meta.url), { type: 'module' }), here)
  const { epochs } = await model.fit(seen.images, seen.labels, {
    epochs: 8, transfer: true,
    callbacks: [{ onEpochEnd({ epoch, scores }) { show('progress', `epoch ${epoch + 1}, loss ${Number(scores['loss']).toFixed(3)}, accuracy ${(Number(scores['accuracy']) * 100).toFixed(1)} %`) } }],
  })
  const said = [...(await model.predict(unseen.images)).argMax()]
  draw(unseen.images)
  show('said', said.join(' '))
  return { said, accuracy: epochs.at(-1)?.accuracy ?? 0, state: await model.stateHash() }
}

function draw(images: Uint8Array): void {
  const canvas = document.querySelector('canvas')
  const drawing = canvas?.getContext('2d')
  if (drawing === null || drawing === undefined) return
  for (let i = 0; i < 16; i++) {
    const pixels = drawing.createImageData(28, 28)
    for (let p = 0; p < 784; p++) pixels.data.set([0, 0, 0, images[i * 784 + p] ?? 0], p * 4)
    drawing.putImageData(pixels, i * 28, 0)
  }
}

Object.assign(globalThis, { result: run() })
