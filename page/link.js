/**
 * Returns the link that looks a URL up when it is opened.
 *
 * @param {string | null} url null for the page's start
 */
export function linkTo(url) {
  const start = new URL(".", location.href);
  if (url !== null) start.search = String(new URLSearchParams({ url }));
  return start.href;
}

/**
 * Reads the link that opened this page.
 *
 * @returns {{ url: string | null; draft: string | null }} `draft`: the service has replaced a link on another website by this
 *   one, so that it cannot start a lookup
 */
export function readLink() {
  return {
    url: new URLSearchParams(location.search).get("url"),
    draft: new URLSearchParams(location.hash.slice(1)).get("draft"),
  };
}
