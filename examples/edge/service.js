// A small classifier that answers and goes on learning within the request: what the three servers beside this file serve.
//   POST /learn     { "x": [[4 numbers], …], "y": [0 to 2, …] }  samples to learn from; at most STEPS steps a request, so that each takes a few milliseconds
//   POST /classify  { "x": [[4 numbers], …] }                    the class of each
// Its state, the model with its optimizer and the samples, is in a storage: the next request goes on from it, in whichever process, with the same bits.
import { adam, dense, EquigradError, load, save, sequential, sparseCategoricalCrossentropy } from 'equigrad'

const FEATURES = 4, CLASSES = 3, STEPS = 8, SAMPLES = 256

const fresh = () => sequential([dense(16, { activation: 'tanh' }), dense(CLASSES)], { input: [FEATURES], seed: 1 })
  .compile({ optimizer: adam({ learningRate: 0.01 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }) })

/**
 * @param storage - `get(key)`: bytes, or null; `put(key, bytes)`
 * @returns a function from requests to promises of responses
 */
export function service(storage) {
  const model = async () => { const bytes = await storage.get('model'); return bytes === null ? fresh() : load(new Uint8Array(bytes)) }
  const samples = async () => { const bytes = await storage.get('samples'); return bytes === null ? { x: [], y: [] } : JSON.parse(new TextDecoder().decode(bytes)) }

  const answers = {
    async '/learn'({ x, y }) {
      const [trained, known] = [await model(), await samples()]
      const all = { x: [...known.x, ...x].slice(-SAMPLES), y: [...known.y, ...y].slice(-SAMPLES) }
      await trained.fit(all.x, all.y, { epochs: STEPS, batchSize: 16, maxSteps: STEPS })
      await storage.put('model', save(trained))
      await storage.put('samples', new TextEncoder().encode(JSON.stringify(all)))
      return { steps: trained.step, samples: all.y.length, state: trained.stateHash() }
    },
    async '/classify'({ x }) {
      return { classes: [...(await (await model()).predict(x)).argMax()] }
    },
  }

  return async (request) => {
    const answer = answers[new URL(request.url).pathname]
    if (answer === undefined || request.method !== 'POST') return new Response('POST /learn or /classify\n', { status: 404 })
    try {
      return Response.json(await answer(await request.json()))
    } catch (error) {
      // What the caller sent does not fit: the message says what was expected.
      if (error instanceof EquigradError || error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) return Response.json({ error: error.message }, { status: 400 })
      throw error
    }
  }
}
