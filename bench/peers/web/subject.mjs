// The page's side of a worker: as subject.mjs is of a process.

/** @param {string} library @param {import('../data.mjs').Data} data */
export async function start(library, data) {
  const worker = new Worker('/worker.js', { type: 'module' })
  const ask = (message) => new Promise((resolve, reject) => {
    worker.onerror = (event) => { reject(new Error(event.message ?? 'its worker failed')) }
    worker.onmessage = ({ data: said }) => { if (said.failed === undefined) resolve(said); else reject(new Error(said.failed)) }
    worker.postMessage(message)
  })
  await ask({ library, data })
  return { prepare: ({ id }) => ask({ prepare: id }), round: () => ask({ go: true }), stop: () => { worker.terminate() } }
}
