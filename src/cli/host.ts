// What the command runs on, in words.
import { cpus } from 'node:os'

/** The processor's name; some hosts do not tell without a permission. */
export function cpuName(): string {
  try { return `${cpus()[0]?.model.trim() ?? 'unknown processor'} (${process.arch})` } catch { return `unknown processor (${process.arch})` }
}

/** The engine, as `Node 26.1.0`, `Deno 2.9.5`, `Bun 1.4.5`. */
export function runtimeName(): string {
  const { bun, deno, node } = process.versions
  return bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}` : `Node ${node}`
}
