// ml-matrix: products in plain JavaScript, f64.
import { Matrix } from 'ml-matrix'
import { operands } from '../data.mjs'

/** @type {import('../rounds.mjs').Adapter} */
export default {
  id: 'ml-matrix',
  setup: ({ product }) => {
    const { a, b } = operands(product)
    const [x, y] = [Matrix.from1DArray(product.m, product.k, a), Matrix.from1DArray(product.k, product.n, b)]
    return { run: (times) => { for (let i = 0; i < times; i++) x.mmul(y) }, result: () => Float32Array.from(x.mmul(y).to1DArray()) }
  },
}
