import { any, at } from "./bytes.ts";
import type { Row } from "./format.ts";

export const wasm = {
  type: "application/wasm",
  kind: "data",
  // WebAssembly Core Specification 5.5.16: version 1; the component model has another one
  matches: any(at(0, "\0asm\x01\0\0\0"), at(0, "\0asm\x0d\0\x01\0")),
} as const satisfies Row;

export const sqlite = {
  type: "application/vnd.sqlite3",
  kind: "data",
  matches: at(0, "SQLite format 3\0"), // SQLite, Database File Format 1.3.1
  aliases: ["application/x-sqlite3", "application/x-sqlite"],
} as const satisfies Row;
