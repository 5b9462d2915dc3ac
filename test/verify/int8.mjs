// What 8-bit integers cost: the worked example, trained as in images.mjs, against its quantised form on the test images. The bars: on the mean of the seeds at
// most 0.15 points of accuracy lost, and at least 99.5 % of the classes the same. How the default is made was chosen on training images held out of training and
// other seeds (src/compress/quantize.ts), never on these.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adam, dense, save, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { quantize } from '../../dist/compress.js'
import { readIdx } from '../../dist/data.js'

const EPOCHS = 10
const SEEDS = 5
const CALIBRATION = 1000
const LOST = 0.15
const AGREEMENT = 99.5
/** The default first: it is held to the bars, the others are for comparison. */
const FORMS = [{}, { observer: 'percentile' }, { observer: 'minMax' }, { activations: 8 }]

const same = (a, b) => (100 * a.reduce((count, v, i) => count + (v === b[i] ? 1 : 0), 0)) / a.length
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length

export async function verifyInt8({ root, seeds = SEEDS, report }) {
  for (const [name, folder] of [['Fashion-MNIST', 'fashion-mnist'], ['MNIST', 'mnist']]) {
    if (!existsSync(join(root, folder))) { report(false, `SKIPPED ${name}: no data in ${join(root, folder)} (set EQUIGRAD_DATA)`); continue }
    const idx = (file) => readIdx(readFileSync(join(root, folder, `${file}.gz`))).data
    const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(idx)
    const found = FORMS.map((form) => ({ form, lost: [], agreement: [] }))
    for (let seed = 0; seed < seeds; seed++) {
      const model = sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed })
        .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
      await model.fit(x, y, { epochs: EPOCHS, batchSize: 128 })
      const plain = (await model.predict(testX)).argMax()
      const accuracy = same(plain, testY)
      for (const { form, lost, agreement } of found) {
        const small = await quantize(model, { calibration: x.slice(0, CALIBRATION * 784), ...form })
        const classes = (await small.predict(testX)).argMax()
        lost.push(accuracy - same(classes, testY))
        agreement.push(same(classes, plain))
        console.log(`${name} seed ${seed} ${JSON.stringify(form)}: f32 ${accuracy.toFixed(2)} %, int8 ${same(classes, testY).toFixed(2)} %, ${agreement.at(-1).toFixed(2)} % the same class; ${save(small).length} bytes of ${save(model, { training: false }).length}`)
      }
    }
    for (const { form, lost, agreement } of found) {
      const line = `${name} ${JSON.stringify(form)}: ${mean(lost).toFixed(3)} points lost (bar ${LOST}), ${mean(agreement).toFixed(3)} % the same class (bar ${AGREEMENT})`
      if (form === FORMS[0]) report(mean(lost) <= LOST && mean(agreement) >= AGREEMENT, line)
      else console.log(`       ${line}`)
    }
  }
}
