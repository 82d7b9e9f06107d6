/** `npm run bench:room`: message delays in a full room on a real Prosody while the oracle is healthy, slow, down and back. */
import { megabytes } from "./support/figures.ts";
import { type PhaseFigures, talk } from "./support/crowd.ts";
import { median, printTable, quantile } from "./support/table.ts";

const options = { occupants: 200, speakers: 20, messagesPerSecond: 50, phaseMs: 10_000 };

const inMs = (values: readonly number[]): string =>
  values.length === 0 ? "–" : [0.5, 0.95, 1].map((share) => quantile(values, share).toFixed(0)).join(", ");

function row(figures: PhaseFigures): string[] {
  const { name, messages, withMedia, annotated, mediaMs, plainMs, pingMs, memoryBytes, processorMs, mediaBytes } =
    figures;
  const counts = [messages, withMedia, annotated].map(String);
  return [
    name,
    ...counts,
    inMs(mediaMs),
    inMs(plainMs),
    inMs(pingMs),
    processorMs.toFixed(1),
    median(mediaBytes).toFixed(0),
    megabytes(memoryBytes),
  ];
}

const ends: (() => void | Promise<void>)[] = [];
try {
  const { phases, messages, lost, doubled, misplaced } = await talk((end) => ends.push(end), options);
  printTable(
    `${options.occupants} occupants, ${options.messagesPerSecond} messages a second, every third with a URL; ms: median, p95, maximum`,
    [
      "",
      "messages",
      "with media",
      "annotated",
      "media, ms",
      "plain, ms",
      "ping of another user, ms",
      "CPU for one message, ms",
      "bytes with media, median",
      "Prosody, MB",
    ],
    phases.map(row),
  );
  const copies = messages * options.occupants;
  console.log(`\n${copies} copies: ${lost} lost, ${doubled} duplicated, ${misplaced} out of order`);
} finally {
  for (const end of ends.reverse()) await end();
}
