import { build } from "../../scripts/build.ts";

/** Decoder children and the end-to-end tests run the built program, never the sources. */
export default function setup(): void {
  build({ ifStale: true });
}
