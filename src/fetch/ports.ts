/** Ports `from` to `to`, both included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Parses `443` or `8000-8999`, in plain decimal. @throws Error a sentence for the operator */
export function parsePortRange(text: string): PortRange {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (from === undefined) throw new Error("a port is a number (443) or a range (8000-8999)");
  const range = { from: parsePort(from), to: parsePort(to ?? from) };
  if (range.from > range.to) throw new Error("a range of ports begins with the lower one");
  return range;
}

/** @throws Error a sentence for the operator */
export function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Error("a port is between 1 and 65535");
  return port;
}

export function isPortIn(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => from <= port && port <= to);
}
