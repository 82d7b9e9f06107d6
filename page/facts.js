import { createCopyButton } from "./copy.js";
import { createElement, findElement } from "./dom.js";
import { warnings } from "./domain/metadata.js";

/** @typedef {import("./client/client.js").Metadata} Metadata */

const units = ["bytes", "kB", "MB", "GB", "TB"];

/**
 * Formats a size exactly and, from a kilobyte, in a decimal unit: `1,234,567 bytes (1.2 MB)`.
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  const exact = `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}`;
  let [value, unit] = [bytes, 0];
  // 999,950 is 1.0 MB: it would be rounded to 1000.0 kB.
  while (Math.round(value * 10) >= 10_000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return unit === 0 ? exact : `${exact} (${value.toFixed(1)} ${units[unit] ?? ""})`;
}

/**
 * Formats a duration in seconds and, from a minute, in hours, minutes and seconds: `1:15 (75.4 s)`.
 *
 * @param {number} durationMs
 */
export function formatDuration(durationMs) {
  const seconds = `${durationMs / 1000} s`;
  if (durationMs < 60_000) return seconds;
  const whole = Math.floor(durationMs / 1000);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...others] = parts[0] === 0 ? parts.slice(1) : parts;
  return `${[first, ...others.map((part) => String(part).padStart(2, "0"))].join(":")} (${seconds})`;
}

/**
 * Returns the facts of a file for people, in their order; without the unknown ones.
 *
 * @param {Metadata} metadata
 * @returns {[name: string, value: string][]}
 */
export function listFacts({ bytes, bytesSource, type, animated, width, height, durationMs }) {
  /** @type {[name: string, value: string][]} */
  const facts = [["Type", animated ? `${type}, animated` : type]];
  const source = bytesSource === "counted" ? "counted" : "as declared by the host";
  if (bytes !== null) facts.push(["Size", `${formatSize(bytes)}, ${source}`]);
  const unit = type === "application/pdf" ? "points" : "pixels";
  if (width !== null && height !== null) facts.push(["Dimensions", `${width} × ${height} ${unit}`]);
  if (durationMs !== null) facts.push(["Duration", formatDuration(durationMs)]);
  return facts;
}

/** @param {Metadata} metadata */
export function renderFacts(metadata) {
  const { blurhash, thumbhash, sha256 } = metadata;
  const rows = listFacts(metadata).map(([name, value]) => createRow(name, createElement("dd", value)));
  /** @type {[name: string, hash: string | null][]} */
  const hashes = [
    ["BlurHash", blurhash],
    ["ThumbHash", thumbhash],
    ["SHA-256", sha256],
  ];
  for (const [name, hash] of hashes) if (hash !== null) rows.push(createRow(name, createHash(name, hash)));
  for (const code of metadata.warnings) {
    const warning = createElement("dd", `${warnings[code]} `);
    warning.append(createElement("code", code));
    rows.push(createRow("Warning", warning));
  }
  findElement("fields").replaceChildren(...rows);
}

/**
 * @param {string} name
 * @param {HTMLElement} value
 */
function createRow(name, value) {
  const row = document.createElement("div");
  row.append(createElement("dt", name), value);
  return row;
}

/**
 * @param {string} name
 * @param {string} hash
 */
function createHash(name, hash) {
  const value = createElement("dd", "", "hash-value");
  value.append(
    createElement("code", hash),
    createCopyButton("", name, () => hash),
  );
  return value;
}
