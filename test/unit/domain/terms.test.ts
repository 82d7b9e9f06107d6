import { expect, test } from "vitest";
import { isEntityTag, isHttpDate } from "../../../src/domain/terms.ts";

test("an entity tag has at most 256 visible ASCII characters, quotes included", () => {
  for (const tag of ['""', '"a"', 'W/"a"', `"${"a".repeat(254)}"`])
    expect([tag, isEntityTag(tag)]).toEqual([tag, true]);
  for (const other of ["", "a", '"a', 'w/"a"', '"a b"', '"a"b"', '"é"', '"a"\r\n', `"${"a".repeat(255)}"`]) {
    expect([other, isEntityTag(other)]).toEqual([other, false]);
  }
});

test("a date is an IMF-fixdate that exists", () => {
  expect(isHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(true);
  for (const other of [
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Xyz 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:61:37 GMT",
    "1994-11-06T08:49:37Z",
    "",
  ]) {
    expect([other, isHttpDate(other)]).toEqual([other, false]);
  }
});
