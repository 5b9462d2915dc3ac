// For this test alone: next lies in another folder than what imports it.
export default { turbopack: { root: '/' } }
