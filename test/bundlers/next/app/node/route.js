import worker from '../../worker.js'

export const GET = worker.fetch
