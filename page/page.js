import { showAnswer } from "./answer.js";
import { createClient, ProblemError } from "./client/client.js";
import { explainProblem } from "./client/words.js";
import { createElement, findElement } from "./dom.js";

/** @typedef {import("./client/client.js").Answer} Answer */

/** @typedef {{ answer: Answer; pictureUrl: string; note: string }} Result */

const url = /** @type {HTMLInputElement} */ (findElement("url"));
const token = /** @type {HTMLInputElement} */ (findElement("token"));

/** Number of the latest lookup: the result of an earlier one is dropped. */
let latestLookup = 0;

findElement("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  void showResult(() => lookUp(url.value.trim()));
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button[data-url]"))) {
  button.addEventListener("click", () => void showResult(() => lookUp(button.dataset.url ?? "")));
}

findElement("example").addEventListener("click", () => void showResult(readExample));

/**
 * @param {string} text
 * @returns {Promise<Result>}
 */
async function lookUp(text) {
  url.value = text;
  const client = createClient({ baseUrl: new URL(".", location.href), token: token.value });
  return { answer: await client.describe(text), pictureUrl: text, note: "" };
}

/**
 * Reads the recorded answer for a picture that comes with the page: an example without network access.
 *
 * @returns {Promise<Result>}
 */
async function readExample() {
  const response = await fetch("assets/example.json");
  const answer = await /** @type {Promise<Answer>} */ (response.json());
  url.value = answer.metadata.url;
  const note = "A recorded answer for a picture that comes with this page, without a lookup.";
  return { answer, pictureUrl: "assets/example.jpg", note };
}

/** @param {() => Promise<Result>} load */
async function showResult(load) {
  const lookup = (latestLookup += 1);
  findElement("failure").replaceChildren();
  findElement("answer").hidden = true;
  findElement("status").textContent = "Looking up …";
  const outcome = await load().catch((/** @type {unknown} */ error) => ({ error }));
  if (lookup !== latestLookup) return;
  findElement("status").textContent = "";
  if ("error" in outcome) showError(outcome.error);
  else showAnswer(outcome.answer, outcome.pictureUrl, outcome.note, token.value !== "");
}

/** @param {unknown} error */
function showError(error) {
  const problem = error instanceof ProblemError ? error.problem : null;
  const words = problem ? explainProblem(problem) : "The service does not respond. Is it running?";
  findElement("failure").append(words, ...(problem ? [" ", createElement("code", problem.code)] : []));
  if (problem?.code !== "unauthorized") return;
  findElement("token-row").hidden = false;
  token.focus();
}
