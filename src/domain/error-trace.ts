/** An error, as it may be logged. */
export interface ErrorTrace {
  /** Of the class. */
  readonly name: string;
  readonly code?: string;
  /** The lines of the stack: functions, files and positions. */
  readonly at: readonly string[];
}

const maxCauses = 4;

/**
 * Describes an error and its causes for the log: names, codes and places.
 *
 * Without messages and other properties, which may quote a URL or its content: Node's ERR_INVALID_URL carries the URL, and a
 * path may be a capability (XEP-0363).
 *
 * @returns the error first, then its causes; empty if something else than an Error was thrown
 */
export function traceOf(error: unknown): ErrorTrace[] {
  const traces: ErrorTrace[] = [];
  for (let cause = error; cause instanceof Error && traces.length < maxCauses; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    const stack = (cause.stack ?? "").replace(cause.message, "");
    const at = stack.split("\n").filter((line) => /^ {4}at /.test(line));
    traces.push({
      name: cause.constructor.name,
      ...(typeof code === "string" && /^[A-Za-z_]{1,64}$/.test(code) && { code }),
      at: at.map((line) => line.trim()),
    });
  }
  return traces;
}
