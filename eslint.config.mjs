// The laws as rules. src/ computes what flows into weights, so it may use only what ECMAScript defines exactly; tests and benches are free.
import tseslint from 'typescript-eslint'

/** What IEEE 754 and ECMAScript define to the last bit; engines differ in the rest of Math. */
const exact = ['sqrt', 'fround', 'imul', 'abs', 'floor', 'ceil', 'trunc', 'round', 'sign', 'min', 'max', 'clz32', 'PI', 'E', 'LN2', 'LN10', 'LOG2E', 'LOG10E', 'SQRT2', 'SQRT1_2']
const inexact = `Math.{${exact.slice(0, 12).join(' ')}} and its constants are exact; the rest differs between engines: compute it in a kernel (core/scalar.ts), or exactly`

const laws = [
  { selector: `MemberExpression[object.name='Math'][computed=false]:not([property.name=/^(${exact.join('|')})$/])`, message: inexact },
  { selector: "MemberExpression[object.name='Math'][computed=true]", message: inexact },
  { selector: "MemberExpression[property.name='Math']", message: `Name the function: ${inexact}` },
  { selector: ":not(MemberExpression) > Identifier[name='Math']", message: `Name the function: ${inexact}` },
  { selector: "BinaryExpression[operator='**'], AssignmentExpression[operator='**=']", message: 'Engines may round ** differently: multiply, or write the constant' },
  { selector: 'ExportAllDeclaration', message: 'A public face names what it exports' },
  { selector: 'TSAsExpression > TSAsExpression > TSUnknownKeyword', message: 'No `as unknown as`: narrow with a check' },
]
const clocks = [
  { selector: "MemberExpression[object.name='performance']", message: 'A clock may pace or stop, never compute: only src/runtime/platform and src/cli read one' },
  { selector: "Identifier[name='Date']", message: 'A clock may pace or stop, never compute: only src/runtime/platform and src/cli read one' },
]
const hosts = ['process', 'navigator', 'crypto', 'require', 'Buffer'].map((name) => ({ name, message: 'Not on every host: only src/runtime/platform and src/cli may' }))

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'coverage/', 'equigrad-run/', '**/node_modules/', '**/*.generated.ts', '**/assembly/'] },
  {
    files: ['**/*.{ts,js,mjs}'],
    extends: [tseslint.configs.recommended, tseslint.configs.stylistic],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-self-compare': 'off', // x !== x asks for NaN
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_', varsIgnorePattern: '^_$', caughtErrors: 'none' }],
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/array-type': 'off',
      '@typescript-eslint/prefer-for-of': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/only-throw-error': 'error',
      'no-restricted-syntax': ['error', ...laws, ...clocks],
      'no-restricted-globals': ['error', ...hosts],
    },
  },
  {
    files: ['src/runtime/platform/**/*.ts', 'src/cli/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...laws], 'no-restricted-globals': 'off' },
  },
  { files: ['test/**', 'bench/**'], rules: { '@typescript-eslint/no-non-null-assertion': 'off', '@typescript-eslint/no-explicit-any': 'off' } },
)
