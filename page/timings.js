import { explainCacheStatus } from "./client/words.js";
import { createElement, findElement } from "./dom.js";

/** @typedef {import("./client/client.js").Answer} Answer */

/**
 * Shows the time of each stage of the lookup as a bar; of a cached answer, only where it is from.
 *
 * @param {Answer} answer
 */
export function renderTimings({ timings, cacheStatus }) {
  const stages = Object.entries(timings);
  // A hit has no stage but 0 ms of queue.
  const hasStages = stages.some(([, tookMs]) => tookMs > 0);
  findElement("timings").hidden = !hasStages;
  findElement("bar").replaceChildren(
    ...stages.map(([stage, tookMs]) => {
      const part = createElement("div", "", stage);
      part.style.flexGrow = String(tookMs);
      return part;
    }),
  );
  findElement("stages").replaceChildren(
    ...stages.map(([stage, tookMs]) => createElement("li", `${stage} ${tookMs} ms`, stage)),
  );
  const words = createElement("code", cacheStatus);
  findElement("cache").replaceChildren(`Cache: ${explainCacheStatus(cacheStatus)} `, words);
}
