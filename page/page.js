import { showAnswer } from "./answer.js";
import { createClient, ProblemError } from "./client/client.js";
import { findElement } from "./dom.js";
import { explainFailure, showFailure } from "./failure.js";
import { linkTo, readLink } from "./link.js";
import { hideProgress, showProgress } from "./progress.js";
import { version } from "./version.js";

/** @typedef {import("./client/client.js").Answer} Answer */
/** @typedef {import("./answer.js").Result} Result */

const url = /** @type {HTMLInputElement} */ (findElement("url"));
const token = /** @type {HTMLInputElement} */ (findElement("token"));
const submit = findElement("submit");

/** The latest lookup: the result of an earlier one is dropped. @type {AbortController | null} */
let latestLookup = null;

findElement("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  void lookUp(url.value);
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button[data-url]"))) {
  button.addEventListener("click", () => void lookUp(button.dataset.url ?? ""));
}

findElement("example").addEventListener("click", () => void showResult("the example", null, readExample));
findElement("again").addEventListener("click", () => void lookUp(url.value));

/** @param {string} text */
async function lookUp(text) {
  const asked = text.trim();
  url.value = asked;
  const client = createClient({ baseUrl: new URL(".", location.href), token: token.value });
  const host = URL.canParse(asked) ? new URL(asked).host : "";
  await showResult(host, asked, async (signal) => {
    return { answer: await client.describe(asked, { signal }), pictureUrl: asked, note: "" };
  });
}

/**
 * Reads the recorded answer for a picture that comes with the page: an example without network access.
 *
 * @param {AbortSignal} signal
 * @returns {Promise<Result>}
 */
async function readExample(signal) {
  const response = await fetch("assets/example.json", { signal });
  const answer = await /** @type {Promise<Answer>} */ (response.json());
  url.value = answer.metadata.url;
  const note = "A recorded answer for a picture that comes with this page, without a lookup.";
  return { answer, pictureUrl: "assets/example.jpg", note };
}

/**
 * Shows the progress of a lookup, then its result. Its URL goes into the address bar, so that the answer can be shared.
 *
 * @param {string} name for the progress
 * @param {string | null} asked the URL; null if the answer has no link
 * @param {(signal: AbortSignal) => Promise<Result>} load
 */
async function showResult(name, asked, load) {
  latestLookup?.abort();
  const lookup = new AbortController();
  latestLookup = lookup;
  const hasToken = token.value !== "";
  showNotice("");
  findElement("failure").replaceChildren();
  showProgress(`Looking up ${name} …`.replace("  ", " "), () => lookup.abort());
  const outcome = await load(lookup.signal).catch((/** @type {unknown} */ error) => ({ error }));
  if (lookup !== latestLookup) return;
  hideProgress();
  if (lookup.signal.aborted) return showCancelled();
  if ("error" in outcome) return showError(outcome.error, asked, hasToken);
  history.replaceState(null, "", linkTo(asked));
  showAnswer(outcome, hasToken);
}

/** @param {string} text */
function showNotice(text) {
  findElement("notice").textContent = text;
}

function showCancelled() {
  showNotice("Cancelled. The service completes the lookup and caches its result.");
  url.focus(); // the cancel button, which had the focus, is hidden
}

/**
 * @param {unknown} error
 * @param {string | null} asked
 * @param {boolean} hasToken
 */
function showError(error, asked, hasToken) {
  const code = error instanceof ProblemError ? error.problem.code : null;
  // A refused URL may hold a password or a key (aesgcm:): it does not go into the history of the browser.
  const isShareable = code?.startsWith("source_") ?? false;
  history.replaceState(null, "", linkTo(isShareable ? asked : null));
  findElement("answer").hidden = true;
  showFailure(explainFailure(error, hasToken), () => void lookUp(url.value));
  if (code !== "unauthorized") return;
  findElement("token-row").hidden = false;
  token.select();
  token.focus();
}

/** Opens the link of the address bar: like the form, but a link on another website only fills it in. */
function openLink() {
  const link = readLink();
  if (link.url !== null) return void lookUp(link.url);
  if (link.draft === null) return;
  url.value = link.draft;
  showNotice("A link on another website filled in this address. Nothing was looked up yet.");
  submit.focus();
}

findElement("version").textContent = `media-oracle ${version}`;
openLink();
