// Prints the metadata of a URL as one line of text: node node.js URL
import { createClient, ProblemError } from "media-oracle/client";

const { ORACLE = "http://127.0.0.1:8080", TOKEN } = process.env;
const client = createClient({ baseUrl: ORACLE, token: TOKEN });

try {
  const { metadata } = await client.describe(process.argv[2], { deadlineMs: 5000 });
  const { type, bytes, width, height, blurhash } = metadata;
  console.log(`${type}, ${bytes} bytes, ${width} x ${height}, ${blurhash}`);
} catch (error) {
  if (!(error instanceof ProblemError)) throw error;
  console.error(error.problem.title, error.problem.retryable ? "(a retry may help)" : "");
  process.exitCode = 1;
}
