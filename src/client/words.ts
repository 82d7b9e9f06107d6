import type { Problem } from "./client.ts";

/** What a person can do about a failure. */
const advice: Readonly<Record<Problem["code"], string>> = {
  url_invalid: "Give the whole address, with https:// in front.",
  url_unsupported:
    "Only http and https on the usual ports are looked up, without a name and password, and only names that can be public. An aesgcm address is encrypted: it is never asked for.",
  request_invalid: "The question is not as the documentation at /docs says.",
  unauthorized: "Ask whoever runs this service for a token.",
  request_forbidden:
    "The service has no token and so answers only its own pages and local programs. The operator can allow a name: MEDIA_ORACLE_HOSTNAMES.",
  route_unknown: "Look at the address of the service: there is nothing at this path.",
  request_timeout: "The connection to the service is slow; try again.",
  request_too_large: "The question is too long.",
  request_unsupported: "Send JSON, with Content-Type: application/json.",
  rate_limited: "Wait a minute.",
  host_busy: "Try again in a few seconds.",
  internal: "Tell whoever runs this service, with the X-Request-Id of the answer.",
  source_unreachable:
    "Its host is down, has no such name, or has an address that is not public, and those are never asked. Whoever runs the service can allow one: MEDIA_ORACLE_ALLOW_ADDRESSES.",
  source_status: "The host does not give this file to everybody: open the address in a private window.",
  source_redirects: "The host sends from one address to the next without an end.",
  source_protocol: "What answers there is no web server.",
  overloaded: "Try again in a few seconds.",
  deadline_exceeded: "Ask again: the lookup goes on, and its answer is kept.",
};

/** A failure in plain words: what happened, and what to do. */
export function problemWords({
  title,
  code,
  upstreamStatus,
}: Pick<Problem, "title" | "code" | "upstreamStatus">): string {
  const status = upstreamStatus === undefined ? "" : ` (status ${upstreamStatus})`;
  // A service that is newer than this may know a further code.
  const further = code in advice ? ` ${advice[code]}` : "";
  return `${title}${status}.${further}`;
}

// In this order: a stale answer is a hit too, and one that was shared is also a miss.
const cacheWordings: readonly (readonly [sign: RegExp, words: string])[] = [
  [/detail=stale/, "from memory, a little old; its host is being asked again"],
  [/; ?hit/, "from memory: its host was not asked"],
  [/collapsed/, "looked up for several callers at once"],
  [/fwd-status=304/, "its host says that what was remembered still holds"],
  [/fwd=/, "looked up just now"],
];

/** `Cache-Status` (RFC 9211) in plain words. */
export function cacheWords(cacheStatus: string): string {
  return cacheWordings.find(([sign]) => sign.test(cacheStatus))?.[1] ?? "not said";
}

/** A size as people say it: 3.03 MB. */
export function sizeWords(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(power === 0 ? 15 : 3))} ${units[power] ?? ""}`;
}
