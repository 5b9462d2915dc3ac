// A Bun server; its state is in memory. The port is 8000, or the first argument.
//   npm install equigrad && bun bun.js
import { service } from './service.js'

const state = new Map()
const port = Number(process.argv[2] ?? 8000)
Bun.serve({ port, hostname: '127.0.0.1', fetch: service({ get: async (key) => state.get(key) ?? null, put: async (key, bytes) => { state.set(key, bytes) } }) })
