/** Runs the shaped origin in its own process; see shaped-origin.ts. */
import { type PathCounts, type ServedFile, type Shape, type ShapedOrigin, startShapedOrigin } from "./shaped-origin.ts";

export type NetworkOriginCommand =
  { readonly listen: { readonly files: readonly ServedFile[]; readonly shape: Shape } } | { readonly count: true };
export type NetworkOriginReply = { readonly ports: readonly number[] } | { readonly counts: PathCounts };

let origin: ShapedOrigin | null = null;

async function execute(command: NetworkOriginCommand): Promise<NetworkOriginReply> {
  if ("count" in command) return { counts: await origin!.counts() };
  origin = await startShapedOrigin(command.listen.files, command.listen.shape);
  return { ports: origin.ports };
}

process.on("message", (command: NetworkOriginCommand) => {
  void execute(command).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit());
