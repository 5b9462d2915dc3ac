// A Cloudflare Worker; its state is in KV, which is not made for two writers at once: of two requests that learn at a time one is lost.
//   npm install equigrad && npx wrangler dev
import { service } from './service.js'

export default {
  fetch(request, { STATE }) {
    return service({ get: (key) => STATE.get(key, 'arrayBuffer'), put: (key, bytes) => STATE.put(key, bytes) })(request)
  },
}
