// What the host must know of this module's memory.

/** The first byte that no static data uses. */
export function heap_base(): usize { return __heap_base }
