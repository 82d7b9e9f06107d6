import { createCopyButton } from "./copy.js";
import { createElement, findElement } from "./dom.js";
import { escapeXml, outOfBandElement } from "./domain/element.js";

/** @typedef {import("./client/client.js").Metadata} Metadata */

const tabs = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[role=tab]"))];
const panel = findElement("panel");

/** The text of each tab, by its id. @type {Record<string, string>} */
let texts = {};

findElement("copy-panel").append(createCopyButton("", "the text", () => panel.textContent.trimEnd()));

/**
 * Fills the tabs with the answer in the formats of programs.
 *
 * @param {Metadata} metadata
 * @param {boolean} needsToken
 */
export function showCodeTabs(metadata, needsToken) {
  texts = {
    "tab-curl": curlText(metadata.url, needsToken),
    "tab-json": JSON.stringify(metadata, null, 2),
    "tab-sent": stanzaText(metadata.url, null),
    "tab-received": stanzaText(metadata.url, metadata),
  };
  const selected = tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0];
  if (selected) select(selected);
}

/**
 * @param {string} url
 * @param {boolean} needsToken
 */
function curlText(url, needsToken) {
  const lines = [
    `curl -s ${new URL("metadata", location.href).href}`,
    ...(needsToken ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    "-H 'Content-Type: application/json'",
    `-d '${JSON.stringify({ url }).replaceAll("'", "'\\''")}'`,
  ];
  return lines.join(" \\\n  ");
}

/**
 * @param {string} url
 * @param {Metadata | null} metadata null for the stanza as sent
 */
function stanzaText(url, metadata) {
  const children = `<body>${escapeXml(url)}</body>\n${outOfBandElement(url, metadata)}`;
  return `<message to="room@rooms.example.org" type="groupchat" id="42">\n${children.replaceAll(/^/gm, "  ")}\n</message>`;
}

/** @param {HTMLElement} tab */
function select(tab) {
  const before = new Set(texts["tab-sent"]?.split("\n"));
  const isAdded = (/** @type {string} */ line) => tab.id === "tab-received" && !before.has(line);
  const lines = (texts[tab.id] ?? "").split("\n");
  panel.replaceChildren(...lines.flatMap((line) => [isAdded(line) ? createElement("mark", line) : line, "\n"]));
  panel.setAttribute("aria-labelledby", tab.id);
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
}

/**
 * Keyboard navigation between tabs, as in the ARIA Authoring Practices. The Tab key moves on to the panel.
 *
 * @type {Record<string, (index: number) => HTMLElement | undefined>}
 */
const keys = {
  ArrowRight: (index) => tabs[(index + 1) % tabs.length],
  ArrowLeft: (index) => tabs.at(index - 1),
  Home: () => tabs[0],
  End: () => tabs.at(-1),
};

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const next = keys[event.key]?.(index);
    if (!next) return;
    event.preventDefault();
    next.focus();
    select(next);
  });
}
