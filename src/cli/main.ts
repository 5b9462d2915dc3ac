// The command line's entry: joins the command to this process.
import { run } from './command.js'

/** Milliseconds within which a second SIGINT is the same key: npm passes on what the terminal already sent. */
const SAME_KEY = 300

const controller = new AbortController()
const stop = (): void => {
  if (controller.signal.aborted) return
  controller.abort()
  // From then on the system's own handling: it ends the process at once, whatever runs, and shells see 130.
  setTimeout(() => { process.off('SIGINT', stop) }, SAME_KEY).unref()
}
process.on('SIGINT', stop)
// A reader that goes away (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code === 'EPIPE') process.exit(0); else throw error })

process.exitCode = await run(process.argv.slice(2), {
  out: process.stdout, err: process.stderr, signal: controller.signal, color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
})
