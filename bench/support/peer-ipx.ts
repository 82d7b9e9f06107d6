/** Contender ipx, in process: resizes the picture to a width of 32 pixels. */
import { answerLookups } from "./lookups.ts";
import { importPeer } from "./peer.ts";

interface Ipx {
  readonly createIPX: (options: object) => (url: string, modifiers: object) => { process(): Promise<unknown> };
  readonly ipxHttpStorage: (options: object) => object;
}

const { createIPX, ipxHttpStorage } = await importPeer<Ipx>("ipx");
const ipx = createIPX({ httpStorage: ipxHttpStorage({ allowAllDomains: true }) });
answerLookups((url) => ipx(url, { w: "32" }).process());
