import type { Target } from "../domain/target.ts";

/**
 * Remembers what the latest texts were parsed to, since the checks of a URL's text cost more than all else a hit does. What is
 * refused is parsed, and refused, again.
 *
 * @param maxTexts of each of two generations: when the young one is full the old one goes. A text and its target take some 10 kB
 *   at most
 */
export function rememberedTargets(parseTarget: (text: string) => Target, maxTexts: number): (text: string) => Target {
  let young = new Map<string, Target>();
  let old = new Map<string, Target>();
  return (text) => {
    const known = young.get(text);
    if (known) return known;
    const target = old.get(text) ?? parseTarget(text);
    if (young.size >= maxTexts) {
      old = young;
      young = new Map();
    }
    young.set(text, target);
    return target;
  };
}
