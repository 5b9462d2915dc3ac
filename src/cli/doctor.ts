// `equigrad doctor`: what this machine can do, and whether it computes the bits that all others compute.
import { doctor } from '../doctor/index.js'
import { cpuName } from './host.js'
import type { Io } from './io.js'

export interface DoctorOptions { readonly json: boolean }

const MIB = 1024 * 1024, GIB = 1024 * MIB
const bytes = (n: number): string => (n >= GIB ? `${n / GIB} GiB` : `${n / MIB} MiB`)

/** @returns the exit code: 0 when all rows are equal */
export async function printDoctor({ json }: DoctorOptions, version: string, io: Io): Promise<number> {
  const found = await doctor()
  const { engine, simd, cores, lanes, lanesReason, binary, int8, memory, rows, equal } = found
  if (json) io.out.write(`${JSON.stringify({ version, processor: cpuName(), ...found })}\n`)
  else {
    const lines = [
      `equigrad ${version}, ${cpuName()}, ${engine}`, '',
      `SIMD       ${simd ? 'yes, 128 bits' : 'no'}`,
      `int8       ${int8.path === 'relaxed' ? 'relaxed dot product, passed its self-test' : `baseline SIMD (${int8.reason.replace(/^int8: /, '')})`}`,
      `lanes      ${lanes > 1 ? `yes, ${cores} cores` : `one (${lanesReason})`}`,
      `kernels    ${binary}`,
      `memory     up to ${bytes(memory)} in one store`, '',
      'Small trainings, their weights and predictions beside what every other machine gets:',
      ...rows.map((row) => `  ${row.equal ? 'equal  ' : 'DIFFERS'}  ${row.name}${row.lanes > 1 ? `, ${row.lanes} lanes` : ''}${row.equal ? '' : `: got ${row.got}, expected ${row.expected}`}`), '',
      equal ? 'This machine gives the same bits as all others.' : 'This machine gives OTHER BITS. Please report this with the lines above.',
    ]
    io.out.write(`${lines.join('\n')}\n`)
  }
  return equal ? 0 : 1
}
