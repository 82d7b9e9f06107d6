import { parseArgs } from "node:util";

/** How many rounds are measured: `npm run … -- --rounds 2` for a first look. */
export function roundsOr(usual: number): number {
  const { values } = parseArgs({ options: { rounds: { type: "string" } } });
  return values.rounds === undefined ? usual : Number(values.rounds);
}
