/** Writes snapshots of 20,000 lines in a loop until it is killed; each line is the number of the snapshot. */
import { writeSnapshotFile } from "../../../src/cache/snapshot-file.ts";

const [, , file, first] = process.argv;

for (let number = Number(first); ; number += 1) {
  await writeSnapshotFile(file!, Array<string>(20_000).fill(String(number)));
  process.send!(number);
}
