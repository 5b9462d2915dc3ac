// Where the rows or terms lie that go through an image.

/**
 * Writes down how many bytes behind the first each of the places [p, p + count) of a walk lies; the words `inner mid step midStep outerStep` stand
 * at `words`. Four are written at a time: up to three beyond the last.
 */
export function writeTerms(words: usize, to: usize, p: i32, count: i32): void {
  const inner = load<i32>(words), mid = load<i32>(words, 4), step = load<i32>(words, 8), midStep = load<i32>(words, 12), outerStep = load<i32>(words, 16)
  const steps = i32x4.mul(i32x4.splat(step), i32x4(0, 1, 2, 3)), four = i32x4.splat(step << 2)
  let x = p % inner, y = p / inner % mid, from = y * midStep + p / inner / mid * outerStep
  while (count > 0) {
    const run = min(inner - x, count)
    let at = i32x4.add(i32x4.splat(from + x * step), steps)
    for (let i = 0; i < run; i += 4) {
      v128.store(to + (i << 2), at)
      at = i32x4.add(at, four)
    }
    to += run << 2
    count -= run
    x = 0
    from += midStep
    if (++y == mid) {
      y = 0
      from += outerStep - mid * midStep
    }
  }
}
