// What a command is given of its host, and the error that blames its input.

/** A stream for people: a terminal, a pipe or a file. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined }

export interface Io {
  readonly out: Output
  readonly err: Output
  /** aborted by Ctrl-C */
  readonly signal: AbortSignal
  /** may output have colours? */
  readonly color: boolean
}

/** Something the caller gave cannot be used; its message is one line for people. */
export class InputError extends Error {
  override name = 'InputError'
}

/** A result could not be written; its message is one line for people. */
export class OutputError extends Error {
  override name = 'OutputError'
}

/** Why the file system refused, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'ENOENT': return 'it does not exist'
    case 'EACCES': case 'EPERM': case 'EROFS': return 'permission denied'
    case 'EISDIR': return 'it is a directory'
    case 'ENOTDIR': case 'EEXIST': return 'it is not a directory'
    case 'ENOSPC': return 'the disk is full'
    default: return error instanceof Error ? error.message : String(error)
  }
}
