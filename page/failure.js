import { NoAnswerError, ProblemError } from "./client/client.js";
import { adviceFor } from "./client/words.js";
import { createButton, createElement, findElement } from "./dom.js";

/** @typedef {{ title: string; text: string; code?: string; canRetry: boolean }} Failure */

const msPerSecond = 1000;

/**
 * Explains why there is no answer: which side failed, this service or the file's host, and what to do.
 *
 * @param {unknown} error
 * @param {boolean} hasToken whether the request had a token
 * @returns {Failure}
 */
export function explainFailure(error, hasToken) {
  if (error instanceof ProblemError) return explainProblem(error, hasToken);
  const status = error instanceof NoAnswerError ? error.status : null;
  if (status === null) {
    return { title: "The service does not respond", text: "Is it running? Are you online?", canRetry: true };
  }
  const text =
    "The response is not from media-oracle, but perhaps from a proxy in front of it. The file's host was not asked.";
  return { title: `The service's address answered ${status}`, text, canRetry: true };
}

/**
 * @param {ProblemError} error
 * @param {boolean} hasToken
 * @returns {Failure}
 */
function explainProblem({ problem, retryAfterMs }, hasToken) {
  const { code, title, status, upstreamStatus, retryable: canRetry } = problem;
  const advice = adviceFor(problem);
  if (code === "unauthorized") {
    const text =
      "It answered 401, and did not ask the file's host. Enter its token above; its operator gives them out.";
    const title = hasToken ? "This service does not accept the token" : "This service requires a token";
    return { code, title, text, canRetry: false };
  }
  const waitS = retryAfterMs === null ? null : retryAfterMs / msPerSecond;
  if (code.startsWith("source_")) {
    const text = waitS === null ? advice : `${advice} It asks to wait for ${waitS} s.`;
    return {
      code,
      title: code === "source_status" ? `The file's host answered ${upstreamStatus}` : title,
      text,
      canRetry,
    };
  }
  const side = status < 500 ? `${status}; the file's host was not asked` : String(status);
  const text = `${waitS === null ? advice : `Try again in ${waitS} s.`} (This service answered ${side}.)`;
  return { code, title, text: text.trimStart(), canRetry };
}

/**
 * Shows a failure, with a button to try again if that can help.
 *
 * @param {Failure} failure
 * @param {() => void} retry
 */
export function showFailure({ title, text, code, canRetry }, retry) {
  const words = createElement("p", `${text} `);
  if (code !== undefined) words.append(createElement("code", code));
  const buttons = canRetry ? [createButton("Try again", retry, "small")] : [];
  findElement("failure").replaceChildren(createElement("strong", title), words, ...buttons);
}
