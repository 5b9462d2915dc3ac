// The same networks and products in plain f64 JavaScript: what results are checked by, so that no library is its own judge.

/** @typedef {import('./data.mjs').Weights} Weights */

/** Probabilities [rows, 10] of a network. @param {import('./workloads.mjs').Network} network @param {Weights} weights @param {Float32Array} x [rows, 784] @param {number} rows */
export function predict({ parts }, weights, x, rows) {
  let h = Float64Array.from(x)
  parts.forEach((part, i) => {
    const kernel = weights[2 * i].data, bias = weights[2 * i + 1].data
    if (part.kind === 'conv') h = pool(conv(h, kernel, bias, rows, part), rows, part.size, part.to)
    else h = layer(h, kernel, bias, rows, part, i < parts.length - 1)
  })
  return softmax(h, rows)
}

function layer(x, kernel, bias, rows, { from, to }, relu) {
  const y = new Float64Array(rows * to)
  for (let r = 0; r < rows; r++) {
    const row = y.subarray(r * to, (r + 1) * to).fill(0)
    for (let j = 0; j < from; j++) {
      const a = x[r * from + j]
      if (a !== 0) for (let c = 0; c < to; c++) row[c] += a * kernel[j * to + c]
    }
    for (let c = 0; c < to; c++) { row[c] += bias[c]; if (relu && row[c] < 0) row[c] = 0 }
  }
  return y
}

function conv(x, kernel, bias, rows, { size, from, to }) {
  const y = new Float64Array(rows * size * size * to)
  for (let r = 0; r < rows; r++) for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
    const at = ((r * size + i) * size + j) * to
    for (let f = 0; f < to; f++) y[at + f] = bias[f]
    for (let a = 0; a < 3; a++) for (let b = 0; b < 3; b++) {
      const [u, v] = [i + a - 1, j + b - 1]
      if (u < 0 || v < 0 || u >= size || v >= size) continue
      for (let c = 0; c < from; c++) {
        const pixel = x[((r * size + u) * size + v) * from + c]
        if (pixel !== 0) for (let f = 0; f < to; f++) y[at + f] += pixel * kernel[((a * 3 + b) * from + c) * to + f]
      }
    }
    for (let f = 0; f < to; f++) y[at + f] = Math.max(0, y[at + f])
  }
  return y
}

function pool(x, rows, size, channels) {
  const half = size / 2
  const y = new Float64Array(rows * half * half * channels)
  for (let r = 0; r < rows; r++) for (let i = 0; i < half; i++) for (let j = 0; j < half; j++) for (let c = 0; c < channels; c++) {
    const at = (a, b) => x[((r * size + 2 * i + a) * size + 2 * j + b) * channels + c]
    y[((r * half + i) * half + j) * channels + c] = Math.max(at(0, 0), at(0, 1), at(1, 0), at(1, 1))
  }
  return y
}

function softmax(x, rows) {
  const width = x.length / rows
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * width, (r + 1) * width)
    const most = Math.max(...row)
    const sum = row.reduce((s, v) => s + Math.exp(v - most), 0)
    row.forEach((v, i) => { row[i] = Math.exp(v - most) / sum })
  }
  return x
}

/** Mean cross-entropy. @param {Float64Array} p [rows, 10] @param {Int32Array} labels */
export const crossEntropy = (p, labels) => labels.reduce((sum, label, r) => sum - Math.log(p[r * (p.length / labels.length) + label]), 0) / labels.length

/** Element (r, c) of a product. @param {import('./workloads.mjs').Product} product @param {Float32Array} a @param {Float32Array} b @param {number} r @param {number} c */
export function element({ form, m, n, k }, a, b, r, c) {
  let sum = 0
  for (let i = 0; i < k; i++) sum += (form === 'tn' ? a[i * m + r] : a[r * k + i]) * (form === 'nt' ? b[c * k + i] : b[i * n + c])
  return sum
}
