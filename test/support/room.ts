import { type OnFinished, type Prosody, type ProsodyOptions, startProsody } from "./prosody.ts";
import { type Responder, type StandIn, startStandIn } from "./stand-in.ts";
import { connect, type Person } from "./xmpp.ts";

export interface Scene {
  readonly prosody: Prosody;
  readonly oracle: StandIn;
  readonly room: string;
  /** The room's owner, as its first occupant. */
  readonly alice: Person;
  readonly bob: Person;
}

/**
 * Starts a real Prosody and a fake oracle with the test's responder, and two users in a room.
 *
 * After the test it checks that Prosody logged nothing at level error.
 */
export async function openScene(
  onFinished: OnFinished,
  responder?: Responder,
  module: ProsodyOptions["module"] = {},
  roomModules: readonly string[] = [],
  more: Pick<ProsodyOptions, "storage"> = {},
): Promise<Scene> {
  const oracle = await startStandIn(onFinished, responder);
  const prosody = await startProsody(onFinished, { module: { url: oracle.endpoint, ...module }, roomModules, ...more });
  onFinished(() => {
    if (prosody.errors().length > 0) throw new Error(`logged at level error:\n${prosody.errors().join("\n")}`);
  });
  const room = prosody.room("lounge");
  const [alice, bob] = await Promise.all([connect(onFinished, prosody), connect(onFinished, prosody)]);
  await alice.enter(room, "alice");
  await bob.enter(room, "bob");
  return { prosody, oracle, room, alice, bob };
}
