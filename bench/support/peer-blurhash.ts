/** Contender blurhash-from-url, in process. */
import { answerLookups } from "./lookups.ts";
import { importPeer } from "./peer.ts";

const { blurhashFromURL } = await importPeer<{ readonly blurhashFromURL: (url: string) => Promise<unknown> }>(
  "blurhash-from-url",
);
answerLookups((url) => blurhashFromURL(url));
