import type { Readable } from "node:stream";
import type { ByteBudget } from "../domain/byte-budget.ts";
import type { LocalFile, LocalFiles } from "../domain/local-file.ts";
import type { Target } from "../domain/target.ts";
import { noCacheHeaders } from "../domain/terms.ts";
import type { Transfer } from "../domain/transfer.ts";
import { createIncomingBody, type IncomingBody, type IncomingBodyOptions } from "./body.ts";
import { createRangeReader } from "./ranges.ts";
import type { OpenSource, Source } from "./source.ts";

/** The stages that a URL passes, which files replace. */
export interface TargetStages {
  readonly parseTarget: (text: string) => Target;
  readonly openSource: OpenSource;
}

export interface LocalSourceOptions {
  readonly budget: ByteBudget;
  readonly maxBytes: number;
  readonly headBytes: number;
}

/**
 * Adds local files to the stages: their targets are read from the file, with the limits of a body and without any connection.
 *
 * Only the URL of a request can name a file. The target of a redirect cannot, because the fetch stage has a parser of its own.
 */
export function withLocalFiles(files: LocalFiles, stages: TargetStages, options: LocalSourceOptions): TargetStages {
  return {
    parseTarget: (text) => (files.has(text) ? { href: text, url: new URL(text), via: null } : stages.parseTarget(text)),
    openSource(target, validators, transfer) {
      const file = files.get(target.href);
      return file
        ? Promise.resolve(openLocalSource(file, transfer, options))
        : stages.openSource(target, validators, transfer);
    },
  };
}

function openLocalSource(file: LocalFile, transfer: Transfer, options: LocalSourceOptions): Source {
  const { maxBytes, headBytes } = options;
  const lender = options.budget.lenderTo(null); // the operator's own file, like the operator's own host
  const declaredBytes = file.bytes;
  const {
    body,
    resume,
    close: closeStream,
  } = receive(file.open(0, declaredBytes ?? Infinity), transfer, {
    lender,
    meter: transfer,
    maxBytes,
    headBytes,
    declaredBytes,
  });
  const ranges = createRangeReader({
    declaredBytes,
    validators: null,
    ask({ from, to }) {
      const rangeBytes = to - from;
      const limits = { maxBytes: rangeBytes, headBytes: rangeBytes, declaredBytes: rangeBytes };
      const received = receive(file.open(from, to), transfer, { lender, meter: transfer, ...limits });
      return Promise.resolve({ response: received, body: received.body });
    },
  });

  function close(): void {
    closeStream();
    body.release();
    ranges.close();
  }

  const resumed = <Result>(result: Result): Result => {
    resume();
    return result;
  };

  return {
    isNotModified: false,
    terms: noCacheHeaders,
    declaredBytes,
    isTooLarge: declaredBytes !== null && declaredBytes > maxBytes,
    declaredType: null,
    filename: null,
    arrived: (bytes) => resumed(body.arrived(bytes)),
    body: () => resumed(body.body()),
    stop() {
      closeStream();
      body.stop();
    },
    get received() {
      return body.received;
    },
    get outcome() {
      return body.outcome;
    },
    range: (from, to) => ranges.read(from, to),
    close,
    [Symbol.dispose]: close,
  };
}

interface Received {
  readonly body: IncomingBody;
  /** Resumes the stream after backpressure. */
  readonly resume: () => void;
  readonly close: () => void;
}

/** Copies a stream into a body, until its end, its limit or the abort signal. */
function receive(stream: Readable, { signal }: Transfer, options: IncomingBodyOptions): Received {
  const { declaredBytes } = options;
  const body = createIncomingBody(options);
  let receivedBytes = 0;

  function close(): void {
    signal.removeEventListener("abort", onAbort);
    stream.destroy();
  }

  function onAbort(): void {
    close();
    body.end("timeout");
  }

  stream.on("data", (chunk: Buffer) => {
    receivedBytes += chunk.byteLength;
    if (!body.write(chunk)) close();
    else if (body.hasEnough) stream.pause();
  });
  stream.once("end", () => {
    close();
    body.end(declaredBytes !== null && receivedBytes < declaredBytes ? "truncated" : "complete");
  });
  // Before its end: the file cannot be read further, or has been closed. After it this has no effect.
  stream.once("close", () => body.end("truncated"));
  stream.on("error", () => undefined); // followed by `close`
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return {
    body,
    resume() {
      if (!body.hasEnough) stream.resume();
    },
    close,
  };
}
