import { expect, test } from "vitest";
import { toSourceError } from "../../../src/fetch/source-error.ts";

const systemError = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: "connect" });

test.for(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])(
  "%s is a shortage of this machine: overloaded, not a failure of the host",
  (code) => {
    expect(toSourceError(systemError(code))).toMatchObject({ code: "overloaded", reason: undefined });
  },
);

test.for([
  ["ECONNREFUSED", "refused"],
  ["ECONNRESET", "reset"],
  ["ETIMEDOUT", "timeout"],
  ["EHOSTUNREACH", "network"],
  ["EADDRNOTAVAIL", "network"], // an address family that this machine does not have
  ["CERT_HAS_EXPIRED", "tls"],
] as const)("%s is an unreachable source, by reason %s", ([code, reason]) => {
  expect(toSourceError(systemError(code))).toMatchObject({ code: "source_unreachable", reason });
});
