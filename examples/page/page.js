// Two spirals: trains on the main thread, which stays free between steps, and draws after each tenth epoch what the network says of the plane.
import { adam, binaryAccuracy, binaryCrossentropy, dense, sequential } from 'equigrad'

const POINTS = 400, GRID = 40, EPOCHS = 100
const canvas = document.querySelector('canvas'), drawing = canvas.getContext('2d')
/** What the network says, a pixel for each cell; drawn larger, the browser smooths it. */
const map = new OffscreenCanvas(GRID, GRID), cells = map.getContext('2d')
const [ORANGE, BLUE] = [[179, 69, 13], [20, 70, 160]]

/** Point i: its spiral, 0 or 1, and where on it. */
const spiral = (i) => i % 2
function place(i) {
  const along = 0.15 + 0.85 * i / POINTS, angle = along * 7 + spiral(i) * Math.PI
  return [4 * along * Math.cos(angle), 4 * along * Math.sin(angle)]
}
// The data themselves must be the same everywhere: Math.cos may differ in the last bit, so points are rounded.
const x = Float32Array.from({ length: POINTS * 2 }, (_, k) => Math.round(place(k >> 1)[k & 1] * 1024) / 1024)
const y = Float32Array.from({ length: POINTS }, (_, i) => spiral(i))
const grid = Float32Array.from({ length: GRID * GRID * 2 }, (_, k) => { const cell = k >> 1; return ((k & 1 ? Math.floor(cell / GRID) : cell % GRID) + 0.5) / GRID * 8.8 - 4.4 })

const model = sequential([dense(32, { activation: 'tanh' }), dense(32, { activation: 'tanh' }), dense(1, { activation: 'sigmoid' })], { input: [2], seed: 3 })
  .compile({ optimizer: adam({ learningRate: 0.01 }), loss: binaryCrossentropy(), metrics: [binaryAccuracy()] })

async function draw() {
  const { data } = await model.predict(grid)
  const pixels = cells.createImageData(GRID, GRID)
  // White where it is undecided
  data.forEach((p, i) => { pixels.data.set([...(p > 0.5 ? BLUE : ORANGE), Math.abs(p - 0.5) * 200], 4 * i) })
  cells.putImageData(pixels, 0, 0)
  drawing.clearRect(0, 0, canvas.width, canvas.height)
  drawing.drawImage(map, 0, 0, canvas.width, canvas.height)
  for (let i = 0; i < POINTS; i++) {
    drawing.fillStyle = `rgb(${y[i] === 1 ? BLUE : ORANGE})`
    drawing.fillRect((x[2 * i] + 4.4) / 8.8 * canvas.width - 2, (x[2 * i + 1] + 4.4) / 8.8 * canvas.height - 2, 4, 4)
  }
}

globalThis.result = model.fit(x, y, {
  epochs: EPOCHS, batchSize: 32,
  callbacks: [{
    async onEpochEnd({ epoch, scores }) {
      if ((epoch + 1) % 10 !== 0) return
      document.querySelector('#progress').textContent = `epoch ${epoch + 1} of ${EPOCHS}, loss ${scores.loss.toFixed(4)}, accuracy ${(scores.binaryAccuracy * 100).toFixed(1)} %`
      await draw()
    },
  }],
}).then(({ epochs }) => {
  document.querySelector('#hash').textContent = `weights ${model.stateHash().slice(0, 16)}…`
  return { accuracy: epochs.at(-1).binaryAccuracy, state: model.stateHash() }
})
