import { isDurationMs, isSide } from "../../src/domain/size.ts";
import { formats } from "../../src/media/formats/index.ts";
import type { FactsStep, PreviewStep } from "../../src/media/formats/plan.ts";
import { beginningOf } from "../../src/media/formats/progressive.ts";
import { reader as amr } from "../../src/media/worker/readers/amr.ts";
import { reader as dolby } from "../../src/media/worker/readers/dolby.ts";
import { reader as headers } from "../../src/media/worker/readers/headers.ts";
import { reader as avi } from "../../src/media/worker/readers/avi.ts";
import { mediaType, sniff } from "../../src/media/formats/sniff.ts";
import { cpuMs } from "./cpu.ts";
import { mutantOf, seedFiles } from "./mutations.ts";

const maxCallMs = 20;

interface Parser {
  readonly name: string;
  readonly parse: (head: Uint8Array) => unknown;
  /** Whether the service may return a result. */
  readonly isValid: (result: unknown) => boolean;
}

type Sides = { readonly width: unknown; readonly height: unknown } | null;

const isSize = (result: unknown) =>
  result === null || [(result as Sides)?.width, (result as Sides)?.height].every(isSide);

/** The first bytes of a file that is twice as long. */
function received(head: Uint8Array) {
  return { prefix: head, parts: [], length: 2 * head.length };
}

/** All parsers that run in the service's own process. */
const parsers: readonly Parser[] = [
  {
    name: "sniff",
    parse: (head) => mediaType(sniff(head), null).type,
    isValid: (result) => typeof result === "string" && result.includes("/"),
  },
  ...formats.flatMap(({ name, readSize }) =>
    readSize ? [{ name: `readSize of ${name}`, parse: readSize, isValid: isSize }] : [],
  ),
  {
    name: "facts of the read plan",
    parse: (head) => sniff(head)?.plan.facts(received(head)) ?? null,
    isValid: (result) => {
      const { width = 1, height = 1, durationMs = 0 } = (result as FactsStep | null)?.known ?? {};
      return isSide(width) && isSide(height) && isDurationMs(durationMs);
    },
  },
  {
    name: "preview of the read plan",
    parse: (head) => sniff(head)?.plan.preview(received(head)) ?? null,
    isValid: (result) => ((result as PreviewStep | null)?.excerpt?.bytes.length ?? 0) <= 2 * 1024 ** 2,
  },
  {
    name: "beginningOf",
    parse: (head) => beginningOf(head, null),
    isValid: (result) => result === null || result instanceof Uint8Array,
  },
];

/** Duration parsers without a library. They run in the workers and may throw, but must return no value out of range. */
const durationReaders = { amr, avi, dolby, headers };

async function durationFaults(bytes: Uint8Array): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, reader] of Object.entries(durationReaders)) {
    const facts = await reader.measure!(bytes, true).catch(() => null);
    if (!facts) continue;
    const { width, height, durationMs } = facts;
    const isRight = (width === null && height === null) || isSize({ width, height });
    if (!isRight || (durationMs !== null && !isDurationMs(durationMs)))
      faults.push(`${name}: ${JSON.stringify(facts)}`);
  }
  return faults;
}

function faultOf({ name, parse, isValid }: Parser, bytes: Uint8Array): string | null {
  try {
    const before = process.cpuUsage();
    const result = parse(bytes);
    const { user, system } = process.cpuUsage(before);
    if (!isValid(result)) return `${name}: ${JSON.stringify(result)}`;
    if ((user + system) / 1000 <= maxCallMs) return null;
    const tookMs = cpuMs(() => parse(bytes), 3); // the minimum of 3 runs, to exclude garbage collection
    return tookMs <= maxCallMs ? null : `${name}: ${tookMs} ms`;
  } catch (error) {
    return `${name}: ${String(error)}`;
  }
}

/** Runs all parsers over mutants of the corpus files; returns a line for each fault, with the number of its mutant. */
export async function findFaults(mutants: number): Promise<string[]> {
  const files = seedFiles();
  const faults: string[] = [];
  for (let number = 0; number < mutants; number += 1) {
    const { name, bytes } = mutantOf(files, number);
    for (const parser of parsers) {
      const fault = faultOf(parser, bytes);
      if (fault !== null) faults.push(`${name}: ${fault}`);
    }
    faults.push(...(await durationFaults(bytes)).map((fault) => `${name}: ${fault}`));
  }
  return faults;
}
