// A module of its own, which imports a memory: the products of f32 by the relaxed multiply-add, which an engine may round once or twice. Asked for,
// never the default: its bits differ from host to host.
export { f32_gemm } from './gemm/gemm'
export { f32_conv } from './conv/conv'
