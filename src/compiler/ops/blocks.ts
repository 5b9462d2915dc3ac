// Long sums with few outputs: tiles for the blocks of law 3, whose sums are added up afterwards.
import { elements } from '../../core/shape.js'
import { ELEMENTS, KB } from '../kernels.js'
import { sizeAt, tilesOf, type LowerContext, type Size, type View } from '../program.js'

/** Where a product writes to, and in how many tiles. */
interface Blocks {
  readonly c: View
  /** bytes from the sums of one block to those of the next; 0: a tile goes through all blocks, and `c` is the result */
  readonly cBlock: number
  readonly tiles: Size
  /** Emits what makes `y` of the blocks' sums: after the product. */
  readonly finish: () => void
}

/**
 * Most outputs of a product whose blocks get tiles of their own: 512 KB of sums for each block. More outputs are tiles enough for all lanes. Fewer
 * gain from blocks on a single lane too: all tiles of a block use the same stretch of both operands, while it is in the cache.
 */
export const FEW = 131072

/**
 * Gives each block of the sums of k terms its tiles, where the outputs are few and the blocks more than one at capacity. The bits are the same.
 *
 * @param y - the product, whose shape has no n
 * @param perBlock - tiles that cover y
 */
export function byBlocks(ctx: LowerContext, y: View, k: Size, perBlock: number): Blocks {
  const outputs = elements(y.shape)
  const most = Math.ceil(sizeAt(k, ctx.capacity) / KB)
  if (most <= 1 || outputs > FEW) return { c: y, cBlock: 0, tiles: perBlock, finish: () => undefined }
  const c = ctx.temp([most, ...y.shape], 'f32')
  return {
    c, cBlock: outputs * 4, tiles: tilesOf(k, KB, perBlock),
    finish: () => { ctx.call('f32_add_blocks', { x: c, y, length: outputs, blocks: tilesOf(k, KB) }, { tiles: tilesOf(outputs, ELEMENTS), writes: ['y'] }) },
  }
}
