// Types of the examples, for the tests that run them: each exports `run`.
declare module '*/gan.mjs' { export function run(options?: { steps?: number; batch?: number; samples?: number; log?: (line: string) => void }): Promise<{ losses: { judged: number; made: number } }> }
declare module '*/transfer.mjs' { export function run(options?: { samples?: number; few?: number; epochs?: number; log?: (line: string) => void }): Promise<{ transferred: number; random: number; few: number }> }
declare module '*/gradient-penalty.mjs' { export function run(options?: { steps?: number; weight?: number; log?: (line: string) => void }): Promise<{ loss: number; deviation: number }> }
declare module '*/characters.mjs' { export function run(options?: { text?: string; units?: number; steps?: number; streams?: number; passes?: number; start?: string; length?: number; temperature?: number; log?: (line: string) => void }): Promise<{ losses: number[]; written: string }> }
declare module '*/processes.mjs' {
  export interface ProcessesOptions { samples?: number; epochs?: number; batchSize?: number; shards?: number; units?: number }
  export interface ProcessesRun { killAt?: number; kill?: (child: { kill(signal: string): boolean }) => void; theirs?: ProcessesOptions; execArgv?: readonly string[]; log?: (line: string) => void }
  export function one(options?: ProcessesOptions): Promise<string>
  export function two(options?: ProcessesOptions, run?: ProcessesRun): Promise<string>
  export function run(options?: ProcessesOptions & Omit<ProcessesRun, 'theirs'>): Promise<{ hashes: string[] }>
}
