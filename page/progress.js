import { findElement } from "./dom.js";

const tickMs = 1000;

/** Of the running lookup. @type {number | undefined} */
let ticker;

/** @type {() => void} */
let cancel = () => undefined;

findElement("cancel").addEventListener("click", () => cancel());

/**
 * Shows that a lookup runs: the seconds so far, and a button to cancel it. The earlier answer stays, marked as such.
 *
 * @param {string} words
 * @param {() => void} onCancel
 */
export function showProgress(words, onCancel) {
  hideProgress();
  cancel = onCancel;
  findElement("working").textContent = words;
  findElement("progress").hidden = false;
  markEarlier(true);
  const startedAt = performance.now();
  // Of the clock, not of the ticks: browsers slow the timers of hidden tabs down.
  const tick = () => {
    findElement("elapsed").textContent = `${Math.floor((performance.now() - startedAt) / tickMs)} s`;
  };
  tick();
  ticker = setInterval(tick, tickMs);
}

export function hideProgress() {
  clearInterval(ticker);
  findElement("progress").hidden = true;
  findElement("working").textContent = "";
  markEarlier(false);
}

/** @param {boolean} isEarlier */
function markEarlier(isEarlier) {
  findElement("answer").setAttribute("aria-busy", String(isEarlier));
  findElement("earlier").hidden = !isEarlier;
}
