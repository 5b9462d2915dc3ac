import { train } from './train.js'

globalThis.result = train()
