// The relaxed multiply-add beside the baseline, product by product, in turns.
import { readFileSync } from 'node:fs'
import { KernelBox } from '../test/support/kernel.js'
import { productOf, ratios } from './blocks.js'
import { machine } from './roofline.js'

const SIZES = [[128, 64, 784, false], [784, 64, 128, true], [128, 512, 784, false], [784, 512, 128, true], [128, 512, 512, false], [512, 512, 128, true], [1, 512, 784, false]] as const

export function benchFast(): string {
  const extension = readFileSync('build/fast.wasm')
  if (!WebAssembly.validate(extension)) return `relaxed multiply-add: this engine has none (${machine()})`
  return [`relaxed multiply-add, speed beside the baseline's, ${machine()}`, ...SIZES.map(([m, n, k, transposed]) => {
    const found = ratios([productOf(new KernelBox(), m, n, k, transposed), productOf(new KernelBox(undefined, extension), m, n, k, transposed)], 1)
    return `  ${`${m}×${n}×${k}${transposed ? ' (A transposed)' : ''}`.padEnd(30)}${(found[0] ?? NaN).toFixed(2)} ×`
  })].join('\n')
}
