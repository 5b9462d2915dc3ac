// The look of a report: the reader's font, light or dark as they like it, wide or narrow.
export const style = `
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --line: #e2e5ea; --text: #1b1f27; --soft: #5d6675;
  --train: #2563eb; --validation: #c2570c; --hit: #2563eb; --miss: #e8590c }
@media (prefers-color-scheme: dark) { :root {
  --page: #12151a; --card: #1a1e25; --line: #2d333d; --text: #e7eaef; --soft: #9aa4b2;
  --train: #7aa7ff; --validation: #ffa05c; --hit: #4f86f7; --miss: #f0701f } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; font-variant-numeric: tabular-nums }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 32px }
h1 { margin: 0; font-size: 26px; line-height: 1.25; letter-spacing: -.01em }
h2 { margin: 0 0 4px; font-size: 17px }
h3 { margin: 0 0 8px; font-size: 14px; font-weight: 600 }
p { margin: 0 } .soft { color: var(--soft) } .note { margin: 0 0 14px; color: var(--soft); font-size: 14px }
section { margin-top: 20px; padding: 20px 22px 22px; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.stopped { margin-top: 14px; padding: 8px 14px; border-left: 4px solid var(--miss); background: var(--card); border-radius: 4px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 14px; margin-top: 22px }
.tile { padding: 14px 18px; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.tile b { display: block; font-size: 25px; line-height: 1.3; letter-spacing: -.01em } .tile span { color: var(--soft); font-size: 13px }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 24px 32px }
.pair > * { min-width: 0 }
@media (min-width: 900px) { .pair.uneven { grid-template-columns: minmax(0, 1fr) 250px } }
table { border-collapse: collapse } th { font-weight: 600; text-align: left }
.facts { width: 100%; font-size: 14px } .facts th, .facts td { padding: 5px 0; border-top: 1px solid var(--line); vertical-align: top }
.facts tr:first-child > * { border-top: 0 } .facts th { width: 9.5em; color: var(--soft); font-weight: 400 } .facts td { overflow-wrap: anywhere }
code { font: 13px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
.matrix { font-size: 13px } .matrix th, .matrix td { min-width: 50px; height: 34px; padding: 0 4px; text-align: center; border: 2px solid var(--card); border-radius: 6px }
.matrix td.hit { background: color-mix(in srgb, var(--hit) calc(var(--a) * 100%), transparent) }
.matrix td.miss { background: color-mix(in srgb, var(--miss) calc(var(--a) * 100%), transparent) }
.matrix td.none { color: color-mix(in srgb, var(--soft) 45%, transparent) } .matrix .side { padding-left: 12px; color: var(--soft); font-weight: 400; text-align: right }
.matrix .axis { color: var(--soft); font-weight: 400 }
@media (max-width: 700px) { .matrix th, .matrix td { min-width: 36px; height: 30px } }
.digits { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 14px 12px; margin: 0; padding: 0; list-style: none }
.digits li { font-size: 13px; line-height: 1.35 } .digits img { display: block; width: 100%; margin-bottom: 5px; image-rendering: pixelated; border-radius: 6px; filter: invert(1); border: 1px solid #2b2721 }
@media (prefers-color-scheme: dark) { .digits img { filter: none; border-color: var(--line) } }
.digits b { font-size: 15px } .digits .wrong { color: var(--validation) }
details { margin-top: 16px } summary { cursor: pointer; color: var(--soft); font-size: 14px }
.numbers { width: 100%; margin-top: 10px; font-size: 14px } .numbers th, .numbers td { padding: 3px 8px; text-align: right; border-top: 1px solid var(--line) } .numbers th { border: 0; color: var(--soft); font-weight: 400 }
footer { margin-top: 22px; color: var(--soft); font-size: 13px }
.uplot { font-family: inherit } .u-legend { font-size: 13px; text-align: left } .u-legend th { font-weight: 400 } .u-legend .u-value { font-variant-numeric: tabular-nums }
.u-select { background: color-mix(in srgb, var(--train) 14%, transparent) } .u-inline tr { margin-right: 14px }
@media print { body { background: #fff } section, .tile { break-inside: avoid } }
`
