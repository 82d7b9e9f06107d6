import { expect, test } from "vitest";
import { chooseCoding, wants } from "../../../src/http/accept.ts";

const xml = ["application/xml", "text/xml"];

test("Accept requests a media type if it names the type and no other type with a higher weight", () => {
  for (const accept of [
    "application/xml",
    "text/xml",
    "APPLICATION/XML; charset=utf-8",
    "application/xml, */*;q=0.1",
    "application/xml;q=0.5, application/json;q=0.4",
    "application/json;q=0, text/xml;q=0.001",
    "application/json;q=0.5, text/xml;q=0.5",
    "text/xml;q=1, application/json",
    "text/xml;q=1, application/json;q=9", // an invalid weight counts as 1
    "text/xml;q=0.1, */*",
  ]) {
    expect([accept, wants(accept, xml)]).toEqual([accept, true]);
  }
});

test("Accept does not request a media type that is missing, has q=0 or a lower weight, so a browser gets no XML", () => {
  for (const accept of [
    undefined,
    "",
    "*/*",
    "application/*",
    "application/json",
    "application/xml;q=0",
    "application/xml;q=0.9, application/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "application/xmlish",
    ",;,q=1",
  ]) {
    expect([accept, wants(accept, xml)]).toEqual([accept, false]);
  }
});

test("the content coding is the one with the highest weight, and of equal ones the smaller file's", () => {
  for (const [header, coding] of [
    ["gzip, deflate, br, zstd", "br"],
    ["br;q=0.5, gzip;q=0.8", "gzip"],
    ["GZIP", "gzip"],
    ["br;q=1, gzip", "br"],
    ["br;q=1.000, gzip;q=high", "br"], // an invalid weight counts as 1
    ["br, identity", "br"],
    ["br;q=0.5", "br"],
    ["identity", null],
    ["*", "br"],
    ["br;q=0, *;q=0.1", "gzip"],
    ["gzip;q=0.5, identity", null],
    ["gzip;q=0, br;q=0.000", null],
    ["zstd", null],
    ["", null],
    [undefined, null],
  ] as const) {
    expect([header, chooseCoding(header, ["br", "gzip"])]).toEqual([header, coding]);
  }
});

test("a representation without other codings is sent unencoded", () => {
  expect(chooseCoding("gzip, *", [])).toBeNull();
});
