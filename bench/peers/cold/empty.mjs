// A process that does nothing else: what is taken off all others.
import { say } from './inputs.mjs'

say([])
