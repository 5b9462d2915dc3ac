// What the machine is, for the head of a table and a report.
import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type, version } from 'node:os'
import { readFileSync } from 'node:fs'

/** @param {string} node - the binary that the children run under @returns {Readonly<Record<string, string>>} */
export function machineOf(node) {
  const engine = JSON.parse(execFileSync(node, ['-p', 'JSON.stringify({ node: process.versions.node, v8: process.versions.v8 })'], { encoding: 'utf8' }))
  return {
    CPU: `${cpuName()}, ${cpus().length} cores`, memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`, OS: `${osName()} (${type()} ${release()})`,
    Node: `${engine.node} (V8 ${engine.v8})`, date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  }
}

/** Some virtual machines hide the model's name; family and model number still tell it. */
function cpuName() {
  const name = cpus()[0]?.model.trim() ?? 'unknown'
  const text = read('/proc/cpuinfo')
  const number = (key) => new RegExp(`^${key}\\s*: (\\d+)`, 'm').exec(text)?.[1]
  return number('cpu family') === undefined ? name : `${name} (family ${number('cpu family')}, model ${number('model')})`
}

const osName = () => /^PRETTY_NAME="(.*)"/m.exec(read('/etc/os-release'))?.[1] ?? version()
function read(path) {
  try { return readFileSync(path, 'utf8') } catch { return '' }
}
