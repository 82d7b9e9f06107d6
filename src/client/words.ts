import type { Problem } from "./client.ts";

/** The advice for a person, by failure code. */
const advice: Readonly<Record<Problem["code"], string>> = {
  url_invalid: "Enter the complete URL, starting with https://.",
  url_unsupported:
    "Use an http or https URL on a standard port, without a user name and password, whose host name can be public. An aesgcm URL is an encrypted upload: it is never fetched.",
  request_invalid: "Compare the request with the API documentation at /docs.",
  unauthorized: "Ask the operator of this service for a token.",
  request_forbidden:
    "The service has no tokens, so it answers only its own pages and local programs. The operator can allow a host name with MEDIA_ORACLE_HOSTNAMES, and pages of other origins with MEDIA_ORACLE_CORS_ORIGINS.",
  route_unknown: "Check the address of the service: it has nothing at this path.",
  method_unsupported: "The response names the methods of the route in Allow.",
  request_timeout: "The connection to the service is slow. Try again.",
  request_too_large: "Send a shorter request.",
  request_unsupported: "The body must be JSON.",
  rate_limited: "Wait a minute, then try again.",
  host_busy: "Try again in a few seconds.",
  internal: "Report it to the operator of this service, with the X-Request-Id of the response.",
  source_unreachable:
    "Its host name does not exist, its host refused the connection or did not respond in time, its TLS certificate is not valid, or its address is not public, and the operator has not allowed it (MEDIA_ORACLE_ALLOW_ADDRESSES).",
  source_status: "The file may be missing or need a login: open the URL in a private browser window.",
  source_redirects: "The redirects form a loop, or there are too many.",
  source_protocol: "Its host is not a web server.",
  overloaded: "Try again in a few seconds.",
  deadline_exceeded: "Ask again: the lookup continues, and its result is cached.",
};

// The same for `source_status`, by the status of the origin's response, which is not one of this service.
const upstreamAdvice: Readonly<Record<number, string>> = {
  401: "Its host wants a login, and this service has none there.",
  403: "Its host refuses to send the file to this service: it may need a login, or refuse robots.",
  404: "Its host has no file at this URL: it may be deleted or expired, or the URL is incomplete.",
  410: "Its host has deleted the file.",
  429: "Its host limits requests. Try again later.",
  503: "Its host is overloaded or in maintenance. Try again later.",
};

/** Returns the advice for a person: the service's own detail, or by failure code. */
export function adviceFor({
  code,
  detail,
  upstreamStatus,
}: Pick<Problem, "code" | "detail" | "upstreamStatus">): string {
  if (detail !== undefined) return detail;
  const upstream = upstreamStatus === undefined ? undefined : upstreamAdvice[upstreamStatus];
  // A newer service may send a code that this client does not know.
  return upstream ?? (code in advice ? advice[code] : "");
}

/** Explains a failure in plain words: the title, and advice, or the service's own detail. */
export function explainProblem(problem: Pick<Problem, "title" | "code" | "detail" | "upstreamStatus">): string {
  const { title, upstreamStatus } = problem;
  const status = upstreamStatus === undefined ? "" : ` (status ${upstreamStatus})`;
  return `${title}${status}. ${adviceFor(problem)}`.trimEnd();
}

// In this order: a stale response is also a hit, and a coalesced one also a miss.
const cacheStatuses: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/detail=stale/, "stale, served from the cache: its refresh is in progress or has failed"],
  [/; ?hit/, "hit, served from the cache without a request to the host"],
  [/collapsed/, "coalesced, one lookup for several concurrent callers"],
  [/fwd-status=304/, "revalidated, the host has confirmed the cached metadata (304 Not Modified)"],
  [/fwd=/, "miss, looked up just now"],
];

/** Explains a `Cache-Status` header (RFC 9211) in plain words. */
export function explainCacheStatus(cacheStatus: string): string {
  return cacheStatuses.find(([pattern]) => pattern.test(cacheStatus))?.[1] ?? "unknown";
}

/** Formats a size with three digits and a decimal unit, like 3.03 MB. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(power === 0 ? 15 : 3))} ${units[power] ?? ""}`;
}
