/** Writes snapshots of twenty thousand lines, one after the other, until it is killed; each line is the writing's number. */
import { writeSnapshotFile } from "../../../src/cache/snapshot-file.ts";

const [, , file, first] = process.argv;

for (let number = Number(first); ; number += 1) {
  await writeSnapshotFile(file!, Array<string>(20_000).fill(String(number)));
  process.send!(number);
}
