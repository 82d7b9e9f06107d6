/** Returns the weight (`q`) of a range of an `Accept` or `Accept-Encoding` header, 0 to 1; 1 if it is missing or malformed. */
function weightOf(parameters: readonly string[]): number {
  const [, weight] = /^q=([01](?:\.\d{0,3})?)$/i.exec(parameters.find((text) => /^q=/i.test(text)) ?? "") ?? [];
  return weight === undefined ? 1 : Number(weight);
}

/**
 * Whether an `Accept` header names one of the types, and no other type with a higher weight (RFC 9110 12.5.1). So a
 * browser, which sends `text/html` and then `application/xml;q=0.9`, gets no XML.
 *
 * @param types lower case
 */
export function wants(accept: string | undefined, types: readonly string[]): boolean {
  if (accept === undefined || accept === "*/*") return false; // nearly all requests
  let [named, most] = [0, 0];
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const weight = weightOf(parameters);
    if (types.includes(type)) named = Math.max(named, weight);
    else if (!type.startsWith("*")) most = Math.max(most, weight);
  }
  return named > 0 && named >= most;
}

/**
 * Returns the content coding with the highest weight in an `Accept-Encoding` header (RFC 9110 12.5.3).
 *
 * @param codings lower case; of equal weights, the first one counts
 * @returns null for the unencoded representation
 */
export function chooseCoding<Coding extends string>(
  acceptEncoding: string | undefined,
  codings: readonly Coding[],
): Coding | null {
  const weights = new Map<string, number>();
  for (const range of (acceptEncoding ?? "").toLowerCase().split(",")) {
    const [coding = "", ...parameters] = range.split(";").map((part) => part.trim());
    weights.set(coding, weightOf(parameters));
  }
  const weightOfCoding = (coding: string) => weights.get(coding) ?? weights.get("*") ?? 0;
  const [best = null] = codings.toSorted((one, other) => weightOfCoding(other) - weightOfCoding(one));
  if (best === null || weightOfCoding(best) === 0) return null;
  return weightOfCoding(best) < (weights.get("identity") ?? 0) ? null : best;
}
