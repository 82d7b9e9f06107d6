/** How the program ends. The last two are of sysexits.h: EX_UNAVAILABLE and EX_CONFIG. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unavailable: 69, configuration: 78 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The command line asks for what there is not. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What the command needs is not there: a service, a port to listen on. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}
