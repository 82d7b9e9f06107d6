/** Contender probe-image-size, in process: type and dimensions only. */
import { answerLookups } from "./lookups.ts";
import { importPeer } from "./peer.ts";

const { default: probe } = await importPeer<{ readonly default: (url: string) => Promise<unknown> }>(
  "probe-image-size",
);
answerLookups((url) => probe(url));
