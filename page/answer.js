import { showCodeTabs } from "./code-tabs.js";
import { createCopyButton } from "./copy.js";
import { findElement } from "./dom.js";
import { renderFacts } from "./facts.js";
import { renderPreviews } from "./previews.js";
import { renderTimings } from "./timings.js";

/** @typedef {import("./client/client.js").Answer} Answer */

/** @typedef {{ answer: Answer; pictureUrl: string; note: string }} Result */

findElement("link").append(createCopyButton("link", "to this answer", () => location.href));

/**
 * Shows an answer.
 *
 * @param {Result} result the picture's URL is loaded only at the click of a button; the note is empty for none
 * @param {boolean} needsToken whether the curl example has a token
 */
export function showAnswer({ answer, pictureUrl, note }, needsToken) {
  const { metadata } = answer;
  findElement("answer").hidden = false;
  findElement("answer-title").textContent = metadata.filename ?? metadata.url;
  findElement("address").textContent = metadata.filename === null ? "" : metadata.url;
  findElement("note").hidden = note === "";
  findElement("note").textContent = note;
  findElement("link").hidden = note !== "";
  findElement("partial").hidden = !metadata.partial;
  renderPreviews(metadata, pictureUrl);
  renderFacts(metadata);
  renderTimings(answer);
  showCodeTabs(metadata, needsToken);
  findElement("answer-title").focus();
}
