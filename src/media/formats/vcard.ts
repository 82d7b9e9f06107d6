import { readText } from "./bytes.ts";
import type { Row } from "./format.ts";

/** The first line of a text, in any encoding that has ASCII, perhaps behind a byte order mark. Names have any case. */
function beginsWith(line: string): (head: Uint8Array) => boolean {
  const start = new RegExp(`^(?:\xef\xbb\xbf)?${line}[ \t]*[\r\n]`, "i");
  return (head) => start.test(readText(head, 0, 64));
}

export const vcard = {
  type: "text/vcard",
  kind: "text",
  matches: beginsWith("BEGIN:VCARD"), // RFC 6350 6.1.1
  aliases: ["text/x-vcard", "text/directory", "text/plain"],
} as const satisfies Row;

export const icalendar = {
  type: "text/calendar",
  kind: "text",
  matches: beginsWith("BEGIN:VCALENDAR"), // RFC 5545 3.4
  aliases: ["text/x-vcalendar", "application/ics", "text/plain"],
} as const satisfies Row;
