// The worker: models that the page opens live here.
import { serveModels } from 'equigrad/worker'

serveModels()
