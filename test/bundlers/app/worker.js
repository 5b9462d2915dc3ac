import { dense, sequential } from 'equigrad'
import { train } from './train.js'

async function all() {
  const result = await train()
  const model = sequential([dense(2)], { input: [2], lanes: 2 })
  await model.predict(new Float32Array(2))
  return { ...result, lanes: model.runtime }
}

export default { async fetch() { return Response.json(await all().catch((error) => ({ error: String(error) }))) } }
