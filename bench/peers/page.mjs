// The frame of a page with results: its style, light or dark as the reader likes it. Nothing is loaded from elsewhere.
import { chartStyle, escape } from './chart.mjs'

const style = `
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --line: #e2e5ea; --text: #1b1f27; --soft: #5d6675; --ours: #2563eb; --bar: #b3bccb }
@media (prefers-color-scheme: dark) { :root { --page: #12151a; --card: #1a1e25; --line: #2d333d; --text: #e7eaef; --soft: #9aa4b2; --ours: #5b8ffb; --bar: #4b5565 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; font-variant-numeric: tabular-nums }
main { max-width: 1000px; margin: 0 auto; padding: 40px 24px 32px }
h1 { margin: 0; font-size: 26px; line-height: 1.25; letter-spacing: -.01em } h2 { margin: 0 0 2px; font-size: 17px } h3 { margin: 14px 0 6px; font-size: 14px; font-weight: 600 }
p { margin: 0 } .soft { color: var(--soft) } .note { margin: 0 0 14px; color: var(--soft); font-size: 14px }
section { margin-top: 20px; padding: 20px 22px 22px; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; margin-top: 12px; font-size: 13px }
th, td { padding: 4px 10px 4px 0; border-top: 1px solid var(--line); text-align: right; vertical-align: top; white-space: nowrap }
th { font-weight: 400; color: var(--soft); border-top: 0 } th:first-child, td:first-child, td.text, th.text { text-align: left } td.text { white-space: normal; color: var(--soft); min-width: 16em; padding-left: 10px } th.text { padding-left: 10px }
tr.ours td { font-weight: 600 } tr.ours td.text { font-weight: 400 }
.facts { margin-top: 6px } .facts th, .facts td { text-align: left; white-space: normal; border-top: 1px solid var(--line) } .facts tr:first-child > * { border-top: 0 } .facts th { width: 8em }
details { margin-top: 12px } summary { cursor: pointer; color: var(--soft); font-size: 14px }
ul { margin: 10px 0 0; padding-left: 1.2em; color: var(--soft); font-size: 13px }
footer { margin-top: 22px; color: var(--soft); font-size: 13px }
@media print { body { background: #fff } section { break-inside: avoid } }
${chartStyle}`

/** @param {string} title @param {string} body - HTML */
export const page = (title, body) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body><main>
${body}
</main></body>
</html>
`
export { style }

/** @param {readonly string[]} head @param {readonly { readonly cells: readonly string[], readonly ours?: boolean }[]} rows @param {boolean} [text] - is the last column words? */
export function tableHtml(head, rows, text = false) {
  const kind = (i) => (text && i === head.length - 1 ? ' class="text"' : '')
  return `<div class="scroll"><table><tr>${head.map((h, i) => `<th${kind(i)}>${escape(h)}</th>`).join('')}</tr>
${rows.map(({ cells, ours }) => `<tr${ours ? ' class="ours"' : ''}>${cells.map((c, i) => `<td${kind(i)}>${escape(c)}</td>`).join('')}</tr>`).join('\n')}</table></div>`
}

/** @param {Readonly<Record<string, string>>} rows */
export const facts = (rows) => `<table class="facts">${Object.entries(rows).map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</table>`
