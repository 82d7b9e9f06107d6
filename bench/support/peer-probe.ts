/** probe-image-size: type and size alone, in process. */
import { answerLookups } from "./lookups.ts";
import { importPeer } from "./peer.ts";

const { default: probe } = await importPeer<{ readonly default: (url: string) => Promise<unknown> }>(
  "probe-image-size",
);
answerLookups((url) => probe(url));
