// The parent's side of a child: starts it, asks for rounds, ends it. A child that dies or stays silent has failed, and says why.
import { fork, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Milliseconds after which a silent child is given up. */
const SILENCE = 300_000
const here = (file) => fileURLToPath(new URL(file, import.meta.url))

/** One thread, whatever a library or its BLAS would like. @param {number} threads */
const oneThread = (threads) => ({ OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) })

/**
 * @param {import('./race.mjs').Peer} peer
 * @param {{ readonly dir: string, readonly node: string, readonly python: string }} options
 */
export function start({ adapter, threads }, { dir, node, python }) {
  const env = { ...process.env, ...oneThread(threads) }
  const child = adapter === 'torch'
    ? spawn(python, [here('torch_child.py'), dir, String(threads)], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    : fork(here('child.mjs'), [adapter, String(threads), dir], { execPath: node, execArgv: [], env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let complaint = ''
  child.stderr?.on('data', (text) => { complaint = `${complaint}${text}`.slice(-2000) })
  const messages = []
  let wake = () => undefined
  const hear = (message) => { messages.push(message); wake() }
  if (adapter === 'torch') createInterface({ input: child.stdout }).on('line', (line) => { hear(JSON.parse(line)) })
  else child.on('message', hear)
  child.on('error', (error) => { hear({ failed: error.message }) })
  child.on('exit', (code, signal) => { hear({ failed: lastLine(complaint) || `its process ended (${signal ?? code})` }) })

  /** The next message; throws what the child says has failed. */
  const next = async () => {
    if (messages.length === 0) {
      let timer
      const heard = await Promise.race([new Promise((resolve) => { wake = () => resolve(true) }), new Promise((resolve) => { timer = setTimeout(resolve, SILENCE, false) })])
      clearTimeout(timer)
      if (!heard) { stop(); throw new Error(`no answer in ${SILENCE / 1000} s`) }
    }
    const message = messages.shift()
    if (message.failed !== undefined) throw new Error(message.failed)
    return message
  }
  const stop = () => { child.kill('SIGKILL') }
  const ask = (message) => {
    if (adapter === 'torch') child.stdin.write(`${JSON.stringify(message)}\n`)
    else child.send(message)
    return next()
  }
  return {
    /** @param {import('./workloads.mjs').Workload} workload */
    prepare: (workload) => ask({ prepare: adapter === 'torch' ? workload : workload.id }),
    /** @returns {Promise<import('./rounds.mjs').Round>} */
    round: () => ask({ go: true }),
    stop,
  }
}

const lastLine = (text) => text.trim().split('\n').findLast((line) => /error|exception/i.test(line))?.trim() ?? ''
