import type { Target } from "../../src/domain/target.ts";

/** A target as the parser makes it, for tests of other parts. */
export function targetOf(href: string): Target {
  const url = new URL(href);
  return { href: url.href, url, via: null };
}
