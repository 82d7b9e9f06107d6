import { isIP } from "node:net";
import { z } from "zod";
import { parseRedisAddress } from "./cache/redis-address.ts";
import { type Cidr, parseCidr } from "./fetch/address.ts";
import { type DecodableName, decodableFormats } from "./media/formats/index.ts";

// Parsers of the text of a setting. The message of an error is for the operator, and never repeats a secret.

export const integer = (least: number, most: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(least, `must be at least ${least}`).max(most, `must be at most ${most}`));

// SI (kB) and IEC 80000-13 (KiB).
const byteUnits = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };
const timeUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A whole number with one of the units (`64MiB`), or without one: then in the first unit of the table. */
const quantity =
  (units: Readonly<Record<string, number>>, example: string) =>
  (least: number, most: number): z.ZodType<number, string> => {
    const [first] = Object.keys(units);
    const names = Object.keys(units).join(", ");
    return z
      .string()
      .transform((text, context) => {
        const [, number = "", unit = ""] = /^(\d{1,15}) ?([A-Za-z]*)$/.exec(text) ?? [];
        const factor = unit === "" ? 1 : new Map(Object.entries(units)).get(unit);
        if (number !== "" && factor !== undefined) return Number(number) * factor;
        const fault = number === "" ? "must be a whole number" : `has the unknown unit ${unit}: it must be a number`;
        context.addIssue({
          code: "custom",
          message: `${fault} of ${first}, or with a unit, like ${example} (${names})`,
        });
        return z.NEVER;
      })
      .pipe(z.number().min(least, `must be at least ${least} ${first}`).max(most, `must be at most ${most} ${first}`));
  };

export const bytes = quantity(byteUnits, "64MiB");
export const milliseconds = quantity(timeUnits, "15s");

/** Null where nothing is set. */
export const optional = <T>(parse: z.ZodType<T, string>): z.ZodType<T | null, string> =>
  z.string().transform((text, context) => {
    if (text === "") return null;
    const { data, error } = parse.safeParse(text);
    for (const { message } of error?.issues ?? []) context.addIssue({ code: "custom", message });
    return error ? z.NEVER : data;
  });

/** A comma list, each part through `parsePart`, whose error's message is for the reader of the fault. */
export const list = <T>(parsePart: (part: string) => T): z.ZodType<T[], string> =>
  z.string().transform((text, context) => {
    const parts = text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    return parts.flatMap((part) => {
      try {
        return [parsePart(part)];
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : "cannot be read" });
        return [];
      }
    });
  });

export const redisAddress = z.string().transform((text, context) => {
  try {
    return parseRedisAddress(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : "cannot be read" });
    return z.NEVER;
  }
});

export const listenHost = z
  .string()
  .refine((text) => text === "localhost" || isIP(text) !== 0, "must be an IP address or localhost");

export const listenPort = z
  .string()
  .refine(
    (text) => !text.startsWith("tcp://"),
    "is the service link that Kubernetes sets for a Service named media-oracle: set enableServiceLinks: false, or the port itself",
  )
  .pipe(integer(0, 65_535));

export const format = list((name): DecodableName => {
  const known = decodableFormats.find((candidate) => candidate === name);
  if (!known) throw new Error(`"${name}" is not one of ${decodableFormats.join(", ")}`);
  return known;
});

// A guess has a chance of one in 16^16 = 2^64, even if all characters are hexadecimal digits.
const minTokenCharacters = 16;

// RFC 6750 2.1, b64token. The text is not repeated in the fault: it is a secret.
export const token = list((text) => {
  if (text.length < minTokenCharacters) {
    throw new Error(
      `has a token of fewer than ${minTokenCharacters} characters, which can be guessed: make one with openssl rand -hex 16`,
    );
  }
  if (!/^[\w.~+/-]{1,512}=*$/.test(text)) {
    throw new Error("a token is at most 512 of the characters A-Z a-z 0-9 - . _ ~ + / with = at the end");
  }
  return text;
});

// As many characters as the digest has bytes: a shorter key would be easier to find than a signature (RFC 2104 section 3).
export const tokenKey = optional(
  z
    .string()
    .regex(/^[\x21-\x7e]{32,1024}$/, "must be at least 32 visible ASCII characters, as of openssl rand -base64 33"),
);

export const tokenName = list((text) => {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(text)) throw new Error("has a name that no token can have");
  return text;
});

// Underscores are not for host names (RFC 952), but container networks have them.
export function parseHostname(text: string): string {
  if (!/^[\w-]+(\.[\w-]+)*$/.test(text)) throw new Error(`"${text}" is not a host name without scheme and port`);
  return text.toLowerCase();
}

/** @throws Error if the block has all addresses: every client could then write its own address. */
export function parseProxy(text: string): Cidr {
  const block = parseCidr(text);
  if (block.bits === 0) throw new Error(`"${text}" would trust every client`);
  return block;
}

export function parseOrigin(text: string): string {
  if (text === "*") return text;
  // Browsers send scheme, host and port, in lower case and without the default port.
  const [, origin = ""] = /^(https?:\/\/[^/?#@\s]+)$/i.exec(text) ?? [];
  if (!URL.canParse(origin)) throw new Error(`"${text}" is not an origin, like https://chat.example.org, or *`);
  return new URL(origin).origin;
}

export const flag = z.enum(["true", "false"]).transform((text) => text === "true");

export const mebibyte = byteUnits.MiB;
export const dayMs = timeUnits.d;

/** Writes whole mebibytes as such. */
export function bytesText(count: number): string {
  return count % mebibyte === 0 ? `${count / mebibyte}MiB` : String(count);
}
