import { parseArgs } from "node:util";

/** Returns the number of rounds: `npm run … -- --rounds 2` for a quick run, otherwise the usual number. */
export function roundsOr(usual: number): number {
  const { values } = parseArgs({ options: { rounds: { type: "string" } } });
  return values.rounds === undefined ? usual : Number(values.rounds);
}
