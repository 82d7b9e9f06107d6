import eslint from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** Rooms (folders of src/) import only `domain` and themselves; `oracle.ts`, `compose.ts` and `cli/` combine them. */
const rooms = ["domain", "load", "fetch", "media", "cache", "http", "client"];
const roomBoundaries = rooms.map((room) => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: rooms
          .filter((other) => other !== room && (room === "domain" || other !== "domain"))
          .map((other) => ({ group: [`**/${other}/*`], message: `${room}/ must not import ${other}/` })),
      },
    ],
  },
}));

export default defineConfig(
  globalIgnores(["**/dist/", "coverage/", "node_modules/", ".build-*/"]),
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  // Not projectService, which takes a quarter longer for all files.
  { languageOptions: { parserOptions: { project: ["./tsconfig.json", "./page/tsconfig.json"] } } },
  {
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "no-restricted-properties": [
        "error",
        { object: "process", property: "env", message: "read the environment in main.ts only" },
      ],
    },
  },
  ...roomBoundaries,
  // TypeScript already checks the browser's globals.
  { files: ["page/**", "clients/**"], rules: { "no-undef": "off" } },
  // Converse.js exports no types of its API.
  { files: ["clients/**", "eslint.config.js"], extends: [tseslint.configs.disableTypeChecked] },
  // Plain JavaScript without type checking, as a user of the package may write it.
  {
    files: ["examples/**"],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: "readonly", console: "readonly" } },
  },
  {
    files: ["src/main.ts", "test/**", "bench/**", "scripts/**", "examples/**", "*.config.*"],
    rules: { "no-restricted-properties": "off" },
  },
  {
    files: ["test/**", "bench/**", "scripts/**"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "no-restricted-syntax": [
        "error",
        {
          selector:
            'TryStatement[handler] > BlockStatement.block CallExpression:matches([callee.name="expect"], [callee.object.name="expect"])',
          message: "the catch clause would catch the failure of this assertion",
        },
      ],
    },
  },
);
