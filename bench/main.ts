// `npm run bench`: our own kernels and models beside the limits measured in the same process.
import { benchBlocks } from './blocks.js'
import { benchConv, printConv } from './conv.js'
import { benchFast } from './fast.js'
import { benchGemm, benchRows, printGemm } from './gemm.js'
import { benchInt8 } from './int8.js'
import { printLanes, trainInChild } from './lanes.js'
import { Roofline } from './roofline.js'
import { benchStep, printStep, profileStep } from './step.js'
import { benchStreams } from './streams.js'
import { benchUpdate } from './update.js'
import { workloads } from './workloads.js'

const only = process.argv[2]
if (only === 'lanes-child') await trainInChild(Number(process.argv[3]), Number(process.argv[4]))
else await bench()

async function bench(): Promise<void> {
  const roofline = await Roofline.load()
  if (only === undefined || only === 'gemm') console.log(`${printGemm(benchGemm(roofline))}\n`)
  if (only === undefined || only === 'rows') console.log(`${benchRows(roofline)}\n`)
  if (only === undefined || only === 'conv') console.log(`${printConv(benchConv(roofline))}\n`)
  if (only === undefined || only === 'int8') console.log(`${await benchInt8(roofline)}\n`)
  if (only === undefined || only === 'step') for (const workload of workloads) console.log(`${printStep(workload, await benchStep(roofline, workload), profileStep(workload))}\n`)
  if (only === undefined || only === 'streams') console.log(`${await benchStreams(roofline)}\n`)
  if (only === undefined || only === 'update') console.log(`${benchUpdate(roofline)}\n`)
  if (only === undefined || only === 'fast') console.log(`${benchFast()}\n`)
  if (only === 'blocks') console.log(`${await benchBlocks()}\n`)
  if (only === undefined || only === 'lanes') console.log(`${await printLanes()}\n`)
}
