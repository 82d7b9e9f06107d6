/** Mutants that no test can notice, reviewed by a person: they are drawn, but neither run nor counted. */
export interface EquivalentMutant {
  readonly file: string;
  /** The line with the edit, without white space at its ends. */
  readonly mutated: string;
  readonly reason: string;
}

export const equivalentMutants: readonly EquivalentMutant[] = [
  {
    file: "prosody/mod_muc_media_metadata/reply.lib.lua",
    mutated:
      'local text = type(value) == "string" and #value < 4 * max_thumbnail_bytes and value:match("^data:image/png;base64,([%w+/]+=?=?)$");',
    reason: "it bounds the work of the pattern; the decoded bytes have a stricter bound",
  },
  {
    file: "src/load/load-shedder.ts",
    mutated: "export const sheddingLimits = { mostBusy: 0.5, everyMs: (50 + 1) };",
    reason: "a period of measurement, of which 51 ms is as good as 50",
  },
  {
    file: "src/http/document.ts",
    mutated: "queueDepths: () => ({ fetch: (0 + 1), decode: 0, unpredictable: 0, workers: 0 }),",
    reason: "the app that prints openapi.yaml answers no request",
  },
];
