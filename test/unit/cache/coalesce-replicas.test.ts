import { expect, test } from "vitest";
import { coalesceReplicas } from "../../../src/cache/coalesce-replicas.ts";

/** Runs a lookup whose steps are recorded; the store returns these answers, one after the other. */
async function record(answers: readonly (string | null)[]) {
  const steps: string[] = [];
  const left = [...answers];
  let endWrite: () => void = () => undefined;
  const step = <T>(name: string, result: T) => {
    steps.push(name);
    return Promise.resolve(result);
  };
  const answer = await coalesceReplicas({
    lock: () => step("lock", () => void steps.push("unlock")),
    find: () => step("find", left.shift() ?? null),
    ask: () => step("ask", "of the origin"),
    written: () => new Promise((resolve) => (endWrite = resolve)),
  });
  return { steps, answer, endWrite };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("an answer in the store needs neither the lock nor the origin", async () => {
  const { steps, answer } = await record(["of a replica"]);
  expect([answer, steps]).toEqual(["of a replica", ["find"]]);
});

test("an answer that another replica has written before the lock was taken is used", async () => {
  const { steps, answer, endWrite } = await record([null, "of a replica"]);
  endWrite();
  await settled();
  expect([answer, steps]).toEqual(["of a replica", ["find", "lock", "find", "unlock"]]);
});

test("the lock is released when the answer of the origin is in the store, and the caller does not wait for that", async () => {
  const { steps, answer, endWrite } = await record([null, null]);
  await settled();
  expect([answer, steps]).toEqual(["of the origin", ["find", "lock", "find", "ask"]]);
  endWrite();
  await settled();
  expect(steps.at(-1)).toBe("unlock");
});
