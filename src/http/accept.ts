/** How much a range of an `Accept` header is wanted, 0 to 1; 1 where it does not say so that it can be read. */
function weightOf(parameters: readonly string[]): number {
  const [, weight] = /^q=([01](?:\.\d{0,3})?)$/i.exec(parameters.find((text) => /^q=/i.test(text)) ?? "") ?? [];
  return weight === undefined ? 1 : Number(weight);
}

/**
 * Whether an `Accept` header names one of the types, and names nothing that it wants more (RFC 9110 12.5.1). So a browser, which
 * names `text/html` and then `application/xml;q=0.9`, wants no XML.
 *
 * @param types lower case
 */
export function wants(accept: string | undefined, types: readonly string[]): boolean {
  if (accept === undefined || accept === "*/*") return false; // nearly all who ask
  let [named, most] = [0, 0];
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const weight = weightOf(parameters);
    if (types.includes(type)) named = Math.max(named, weight);
    else if (!type.startsWith("*")) most = Math.max(most, weight);
  }
  return named > 0 && named >= most;
}
