import { doctor } from 'equigrad/doctor'

export const runtime = 'edge'
export const GET = async () => Response.json(await doctor())
