import { showAnswer } from "./answer.js";
import { createClient, ProblemError } from "./client/client.js";
import { problemWords } from "./client/words.js";
import { element, made } from "./dom.js";

/** @typedef {import("./client/client.js").Answer} Answer */

/** @typedef {{ answer: Answer; picture: string; note: string }} Shown */

const url = /** @type {HTMLInputElement} */ (element("url"));
const token = /** @type {HTMLInputElement} */ (element("token"));

/** Counts questions: an answer that comes after the next question was asked is nobody's. */
let asked = 0;

element("question").addEventListener("submit", (event) => {
  event.preventDefault();
  void show(() => ask(url.value.trim()));
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button[data-url]"))) {
  button.addEventListener("click", () => void show(() => ask(button.dataset.url ?? "")));
}

element("example").addEventListener("click", () => void show(readExample));

/**
 * @param {string} text
 * @returns {Promise<Shown>}
 */
async function ask(text) {
  url.value = text;
  const client = createClient({ baseUrl: new URL(".", location.href), token: token.value });
  return { answer: await client.describe(text), picture: text, note: "" };
}

/**
 * The answer to a picture that comes with the page: it needs no network, and nobody has to allow an address for it.
 *
 * @returns {Promise<Shown>}
 */
async function readExample() {
  const reply = await fetch("assets/example.json");
  const answer = await /** @type {Promise<Answer>} */ (reply.json());
  url.value = answer.metadata.url;
  const note = "A recorded answer, to a picture that comes with this page: nothing was looked up.";
  return { answer, picture: "assets/example.jpg", note };
}

/** @param {() => Promise<Shown>} look */
async function show(look) {
  const question = (asked += 1);
  element("failure").replaceChildren();
  element("answer").hidden = true;
  element("status").textContent = "Looking …";
  const outcome = await look().catch((/** @type {unknown} */ error) => ({ error }));
  if (question !== asked) return;
  element("status").textContent = "";
  if ("error" in outcome) explain(outcome.error);
  else showAnswer(outcome.answer, outcome.picture, outcome.note, token.value !== "");
}

/** @param {unknown} error */
function explain(error) {
  const problem = error instanceof ProblemError ? error.problem : null;
  const words = problem ? problemWords(problem) : "The service does not answer. Is it running?";
  element("failure").append(words, ...(problem ? [" ", made("code", problem.code)] : []));
  if (problem?.code !== "unauthorized") return;
  element("door").hidden = false;
  token.focus();
}
