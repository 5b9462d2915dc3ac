// A run as one HTML file that loads nothing: settings, curves, confusion matrix, mistakes. The policy in its head forbids any request.
import { count as spaced, duration, loss, percent } from './format.js'
import { script } from './page.script.js'
import { style } from './page.style.js'
import { pngUri } from './png.js'
import { mostConfused, precisionOf, recallOf, type Epoch, type Result } from './result.js'
import * as uplot from './uplot.text.js'

/** More mistakes are not shown, nor larger matrices. */
const MOST_MISTAKES = 45
const LARGEST_MATRIX = 64
const MOST_PAIRS = 12

/** @returns the file's text */
export function report(result: Result): string {
  const { data, test, settings, epochs, mistakes } = result
  const wrong = mistakes.length
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(`${percent(test.accuracy)} – ${data.name} – equigrad`)}</title>
<style>${uplot.style}${style}</style>
</head>
<body>
<main>
<header>
<h1>Training on ${escape(data.name)}</h1>
<p class="soft">${escape(`${settings['model'] ?? ''}, ${settings['weights'] ?? ''} weights, ${settings['optimizer'] ?? ''}`)}</p>
${epochs.length < result.plannedEpochs ? `<p class="stopped">Stopped by the user after ${count(epochs.length)} of ${count(result.plannedEpochs)} epochs (${count(result.steps)} steps).</p>` : ''}
</header>
<div class="tiles">
${tile(percent(test.accuracy), `test accuracy, ${count(wrong)} of ${count(data.test.samples)} wrong`)}
${tile(loss(test.loss), 'test loss')}
${tile(count(epochs.length), `${epochs.length === 1 ? 'epoch' : 'epochs'}, ${count(result.steps)} steps`)}
${tile(result.trained.ms === 0 ? '–' : count((1000 * result.trained.samples) / result.trained.ms), 'samples/s in training')}
${tile(duration(result.ms), 'for the whole run')}
</div>
<section>
<h2>Curves</h2>
${curvesOf(result)}
</section>
<section>
<h2>Confusion matrix</h2>
<p class="note">Test samples by true class (row) and predicted class (column). Found: of a class's samples, the share predicted as it. Right: of a class's predictions, the share that is true.</p>
<div class="pair uneven">
${result.confusion.length > LARGEST_MATRIX ? '' : `<div class="scroll">${matrixOf(result.confusion)}</div>`}
${pairsOf(result.confusion)}
</div>
</section>
<section>
<h2>Mistakes</h2>
<p class="note">${wrong === 0 ? 'Every test sample was recognised.' : `${wrong > MOST_MISTAKES ? `The ${MOST_MISTAKES} most confident of ${count(wrong)}` : `All ${count(wrong)}`} wrong predictions, the most confident first: true class → predicted class, with the probability the model gave it.`}</p>
${mistakesList(result)}
</section>
<section>
<div class="pair">
<div><h2>Settings</h2>${facts(settings)}</div>
<div><h2>Run</h2>${facts({
    'train samples': `${count(data.train.samples - result.validationSamples)}${result.validationSamples === 0 ? '' : `, and ${count(result.validationSamples)} to validate`}`,
    'test samples': count(data.test.samples), images: `${data.height} × ${data.width} pixels, ${count(data.classes)} classes`, equigrad: result.version, ...result.machine,
  })}</div>
</div>
<h3 style="margin-top: 20px">SHA-256 of the weights</h3>
<p><code>${result.hash}</code></p>
<p class="soft">The same data, options and version give the same hash on every machine.</p>
</section>
<footer>Made by equigrad ${escape(result.version)}. Curves drawn by uPlot. Drag over a curve to zoom, double-click to zoom out.</footer>
</main>
<script>${uplot.script}</script>
<script>const curves = ${json(curveData(epochs))}
${script}</script>
</body>
</html>
`
}

/** Digits of a number stay on one line. */
const count = (n: number): string => spaced(n).replaceAll(' ', '\u202f')

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
/** Text for HTML. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c)
/** A value as a literal inside a script element. */
const json = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')

const tile = (value: string, what: string): string => `<div class="tile"><b>${escape(value)}</b><span>${escape(what)}</span></div>`
const facts = (rows: Readonly<Record<string, string>>): string =>
  `<table class="facts">${Object.entries(rows).map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</table>`

/** Columns for uPlot; validation is null where there was none. */
function curveData(epochs: readonly Epoch[]): unknown {
  const validated = epochs.some(({ validation }) => validation !== null)
  const of = (key: 'loss' | 'accuracy'): unknown => ({ train: epochs.map((e) => e[key]), validation: validated ? epochs.map((e) => e.validation?.[key] ?? null) : null })
  return { epoch: epochs.map((_, i) => i + 1), loss: of('loss'), accuracy: of('accuracy') }
}

function curvesOf({ epochs }: Result): string {
  if (epochs.length === 0) return '<p class="note">No epoch was completed.</p>'
  const score = (s: { readonly loss: number; readonly accuracy: number } | null): string => (s === null ? '<td>–</td><td>–</td>' : `<td>${loss(s.loss)}</td><td>${percent(s.accuracy)}</td>`)
  return `<p class="note">Training scores are means over the epoch, while the weights still changed; validation scores are taken at its end.</p>
<div class="pair"><div><h3>Loss</h3><div id="loss"></div></div><div><h3>Accuracy</h3><div id="accuracy"></div></div></div>
<details><summary>Numbers of each epoch</summary><div class="scroll"><table class="numbers">
<tr><th>epoch</th><th>loss</th><th>accuracy</th><th>validation loss</th><th>accuracy</th><th>samples/s</th></tr>
${epochs.map((e, i) => `<tr><td>${i + 1}</td>${score(e)}${score(e.validation)}<td>${count(e.samplesPerSecond)}</td></tr>`).join('\n')}
</table></div></details>`
}

function matrixOf(confusion: readonly (readonly number[])[]): string {
  const most = Math.max(1, ...confusion.map((row) => Math.max(...row)))
  const worst = Math.max(1, ...confusion.map((row, label) => Math.max(...row.map((n, p) => (p === label ? 0 : n)))))
  const cell = (n: number, label: number, p: number): string => {
    if (n === 0) return '<td class="none">·</td>'
    // Colours stay light enough for the text; the root lets few mistakes be seen.
    const a = label === p ? 0.1 + (0.35 * n) / most : 0.12 + 0.5 * Math.sqrt(n / worst)
    return `<td class="${label === p ? 'hit' : 'miss'}" style="--a:${a.toFixed(2)}" title="${n} of class ${label} predicted as ${p}">${n}</td>`
  }
  const share = (value: number | null, decimals: number): string => (value === null ? '–' : `${(100 * value).toFixed(decimals)}%`)
  return `<table class="matrix">
<tr><td></td><th class="axis" colspan="${confusion.length}">predicted</th></tr>
<tr><th class="axis">true</th>${confusion.map((_, p) => `<th scope="col">${p}</th>`).join('')}<th class="side">found</th></tr>
${confusion.map((row, label) => `<tr><th scope="row">${label}</th>${row.map((n, p) => cell(n, label, p)).join('')}<td class="side">${share(recallOf(confusion, label), 1)}</td></tr>`).join('\n')}
<tr><th class="axis">right</th>${confusion.map((_, p) => `<td class="axis">${share(precisionOf(confusion, p), 0)}</td>`).join('')}<td></td></tr>
</table>`
}

function pairsOf(confusion: readonly (readonly number[])[]): string {
  const pairs = mostConfused(confusion, MOST_PAIRS)
  if (pairs.length === 0) return '<p class="note">No class was taken for another.</p>'
  return `<div><h3>Confused most often</h3><table class="facts">${pairs.map(({ label, predicted, samples }) => `<tr><th scope="row">${label} taken for ${predicted}</th><td>${count(samples)}</td></tr>`).join('')}</table></div>`
}

function mistakesList({ mistakes, data: { test, height, width } }: Result): string {
  const pixels = height * width
  const item = ({ index, label, predicted, probability }: Result['mistakes'][number]): string =>
    `<li><img src="${pngUri(test.images.subarray(index * pixels, (index + 1) * pixels), height, width)}" alt="test sample ${index}, a ${label}" title="test sample ${index}">` +
    `<b>${label} → <span class="wrong">${predicted}</span></b><br><span class="soft">${percent(probability)}</span></li>`
  return mistakes.length === 0 ? '' : `<ul class="digits">\n${mistakes.slice(0, MOST_MISTAKES).map(item).join('\n')}\n</ul>`
}
