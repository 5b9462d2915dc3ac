'use client'
import { useEffect } from 'react'
import { train } from '../train.js'

export default function Page() {
  useEffect(() => { globalThis.result = train() }, [])
  return <p>equigrad</p>
}
