// A Deno server; its state is in memory. The port is 8000, or the first argument.
//   npm install equigrad && deno run --allow-net deno.js
import { service } from './service.js'

const state = new Map()
const port = Number(Deno.args[0] ?? 8000)
Deno.serve({ port, hostname: '127.0.0.1' }, service({ get: async (key) => state.get(key) ?? null, put: async (key, bytes) => { state.set(key, bytes) } }))
