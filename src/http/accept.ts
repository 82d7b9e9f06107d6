/** Returns the weight (`q`) of a range of an `Accept` header, 0 to 1; 1 if it is missing or malformed. */
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
