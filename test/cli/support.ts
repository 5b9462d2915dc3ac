// The command in this process, with streams that keep what it writes, and small directories of IDX files.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll } from 'vitest'
import { run } from '../../src/cli/command.js'
import type { Output } from '../../src/cli/io.js'
import { digits, writeIdx } from '../../src/data/index.js'

class Kept extends Writable {
  text = ''
  constructor(readonly isTTY: boolean, readonly columns: number | undefined) { super() }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void { this.text += chunk.toString(); done() }
}

export interface Ran { readonly code: number; readonly out: string; readonly err: string }

/** Runs a command line. */
export async function equigrad(args: readonly string[], { terminal = false, columns, signal = new AbortController().signal, onWrite }: {
  readonly terminal?: boolean; readonly columns?: number; readonly signal?: AbortSignal; readonly onWrite?: (text: string) => void
} = {}): Promise<Ran> {
  const [out, err] = [new Kept(terminal, columns), new Kept(terminal, columns)]
  if (onWrite !== undefined) {
    const write = out._write.bind(out)
    out._write = (chunk: Buffer, encoding, done) => { onWrite(chunk.toString()); write(chunk, encoding, done) }
  }
  const code = await run(args, { out: out satisfies Output, err, signal, color: false })
  return { code, out: out.text, err: err.text }
}

const made: string[] = []
afterAll(() => { for (const dir of made) rmSync(dir, { recursive: true, force: true }) })

/** A directory that goes away after the file's tests. */
export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'equigrad-cli-'))
  made.push(dir)
  return dir
}

/** Files of a data set, by name: 200 digits to train on and 100 to test, of 12 × 12 pixels. */
export function idxFiles(): Record<string, Uint8Array> {
  const part = (samples: number, offset: number): readonly [Uint8Array, Uint8Array] => {
    const { images, labels, shape } = digits({ samples, offset, size: 12 })
    return [writeIdx(images, [...shape]), writeIdx(labels)]
  }
  const [[trainX, trainY], [testX, testY]] = [part(200, 0), part(100, 200)]
  return { 'train-images-idx3-ubyte': trainX, 'train-labels-idx1-ubyte': trainY, 't10k-images-idx3-ubyte': testX, 't10k-labels-idx1-ubyte': testY }
}

/** A directory of these files; those with a name in .gz are packed. */
export function directory(files: Readonly<Record<string, Uint8Array>>): string {
  const dir = temporary()
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), name.endsWith('.gz') ? gzipSync(bytes) : bytes)
  return dir
}
