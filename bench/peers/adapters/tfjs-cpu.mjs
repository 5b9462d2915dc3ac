// TensorFlow.js on its plain JavaScript backend.
import { tfjs } from './tfjs.mjs'

export default tfjs('cpu', () => undefined)
