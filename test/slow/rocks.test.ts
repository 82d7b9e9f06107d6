import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { hasProsody, startProsody } from "../support/prosody.ts";
import { requires } from "../support/require.ts";
import { startStandIn, summitElement } from "../support/stand-in.ts";
import { connect, metadataOf, oob, xml } from "../support/xmpp.ts";

const sources = fileURLToPath(new URL("../../prosody/", import.meta.url));
const picture = "https://upload.example.net/summit.png";

function hasLuarocks(): boolean {
  return spawnSync("luarocks", ["--version"]).status === 0 && existsSync("/usr/include/lua5.4/lua.h");
}

function run(folder: string, program: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}:\n${stdout}\n${stderr}`);
}

describe.skipIf(requires("Prosody", hasProsody()) || requires("luarocks with liblua5.4-dev", hasLuarocks()))(
  "LuaRocks packages of the Prosody modules",
  () => {
    test("prosodyctl installs a module's rock with its dependency, and the modules add metadata", async ({
      onTestFinished,
    }) => {
      const folder = mkdtempSync(join(tmpdir(), "media-oracle-rocks-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const tree = join(folder, "tree");
      const server = join(folder, "server");
      const installedIn = join(folder, "installed");
      for (const path of [server, installedIn]) mkdirSync(path);
      for (const name of ["mod_muc_media_metadata", "mod_media_metadata"]) {
        run(join(sources, name), "luarocks", "--lua-version=5.4", `--tree=${tree}`, "make", `${name}-scm-1.rockspec`);
        run(server, "luarocks", "--lua-version=5.4", `--tree=${tree}`, "pack", name);
      }
      run(server, "luarocks-admin", "--lua-version=5.4", "make_manifest", ".");
      const config = join(folder, "prosody.cfg.lua");
      const paths = `data_path = "${folder}"; certificates = "${folder}"; installer_plugin_path = "${installedIn}"`;
      writeFileSync(config, `run_as_root = true; ${paths}; VirtualHost "localhost"`);
      run(folder, "prosodyctl", "--config", config, "install", `--server=${server}`, "mod_media_metadata");

      const oracle = await startStandIn(onTestFinished);
      const url = oracle.endpoint;
      const prosody = await startProsody(onTestFinished, { module: { url }, hostModule: { url }, installedIn });
      const alice = await connect(onTestFinished, prosody, "alice");
      const bob = await connect(onTestFinished, prosody, "bob");
      const room = prosody.room("lounge");
      await bob.enter(room, "bob");
      await bob.say(room, "m1", picture);
      expect(metadataOf(await bob.hear("m1"))).toEqual([summitElement]);
      await alice.send(xml("message", { to: bob.jid, id: "m2", type: "chat" }, oob(picture)));
      expect(metadataOf(await bob.find("m2", ({ attrs }) => attrs.id === "m2"))).toEqual([summitElement]);
    });
  },
);
