import { expect, test } from "vitest";
import { type Metadata, unknownMetadata } from "../../../src/domain/metadata.ts";
import { etagOf, isUnmodified, renderedElement, renderedReply } from "../../../src/http/reply.ts";
import { targetOf } from "../../support/targets.ts";

const target = targetOf("https://a.example.org/a.png");

/** Returns metadata whose reply has that many characters: its file name consists of one repeated character. */
function metadataOf(characters: number, character = "a"): Metadata {
  const without = renderedReply(target, { ...unknownMetadata, filename: "" }, false).body.length;
  return { ...unknownMetadata, filename: character.repeat(characters - without) };
}

const isRenderedOnce = (metadata: Metadata) =>
  renderedReply(target, metadata, false) === renderedReply(target, metadata, false);

test.each([
  { kind: "1536 ASCII characters", characters: 1536, character: "a", isKept: true },
  { kind: "1537 ASCII characters", characters: 1537, character: "a", isKept: false },
  { kind: "768 characters with others than ASCII", characters: 768, character: "語", isKept: true },
  { kind: "769 characters with others than ASCII", characters: 769, character: "語", isKept: false },
])("a reply of $kind is rendered once for all callers: $isKept", ({ characters, character, isKept }) => {
  const metadata = metadataOf(characters, character);
  expect(renderedReply(target, metadata, false).body).toHaveLength(characters);
  expect(isRenderedOnce(metadata)).toBe(isKept);
});

test("replies of one metadata object differ for another URL and for a passed deadline", () => {
  const metadata = { ...unknownMetadata };
  const whole = renderedReply(target, metadata, false);
  const other = renderedReply(targetOf("https://a.example.org/b.png"), metadata, false);
  const partial = renderedReply(target, metadata, true);
  const read = ({ body }: { body: string }) => JSON.parse(body) as unknown;
  expect(read(whole)).toMatchObject({ url: target.href, filename: "a.png", partial: false });
  expect(read(other)).toMatchObject({ url: "https://a.example.org/b.png", filename: "b.png", partial: false });
  expect(read(partial)).toMatchObject({ url: target.href, partial: true });
});

test("Content-Length counts bytes, not characters", () => {
  const { body, contentLength } = renderedReply(target, { ...unknownMetadata, filename: "é語" }, false);
  expect(Number(contentLength)).toBe(body.length + 3);
});

test("equal bodies have equal tags of 22 characters, and others differ", () => {
  const [one, same] = [renderedReply(target, unknownMetadata, true), renderedReply(target, unknownMetadata, true)];
  expect(etagOf(one)).toMatch(/^"[\w-]{22}"$/);
  expect(etagOf(one)).toBe(etagOf(same));
  expect(etagOf(renderedElement(unknownMetadata))).not.toBe(etagOf(one));
});

test.each([
  ['"a"', true],
  ['W/"a"', true],
  ['"b", W/"a"', true],
  [" * ", true],
  ['"b"', false],
  ["a", false],
  ['"b", *', false],
  ["", false],
  [undefined, false],
])("If-None-Match %j names the tag a: %j", (header, isMatch) => {
  expect(isUnmodified(header, '"a"')).toBe(isMatch);
});
