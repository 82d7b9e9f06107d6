import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export interface Import {
  /** The module's specifier; for an `import()` whose argument is no literal: the text of the argument. */
  readonly from: string;
  /** The imported file, relative to src; null for a package or a module of Node. */
  readonly file: string | null;
  /** `static` imports run before the file; `dynamic` ones when their line runs; `type` ones are erased by the compiler. */
  readonly kind: "static" | "dynamic" | "type";
  /** Names of the values that are imported by name; null if the whole module or its default export is imported. */
  readonly values: readonly string[] | null;
}

export interface SourceFile {
  /** Relative to src. */
  readonly name: string;
  readonly imports: readonly Import[];
  /** Names of globals that the file uses. A local variable with one of the names in `globals` counts, too. */
  readonly uses: ReadonlySet<string>;
}

const root = fileURLToPath(new URL("../../src", import.meta.url));

/** Parses all files of src. `globals` are the names whose use is of interest, with `process.env` as one name. */
export function readSourceFiles(globals: readonly string[]): SourceFile[] {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return names.map((name) => readSourceFile(name, new Set(globals)));
}

function readSourceFile(name: string, globals: ReadonlySet<string>): SourceFile {
  const tree = ts.createSourceFile(name, readFileSync(join(root, name), "utf8"), ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const uses = new Set<string>();

  function visit(node: ts.Node): void {
    const found = readImport(node, name);
    if (found) imports.push(found);
    const used = readUse(node);
    if (used !== null && globals.has(used)) uses.add(used);
    ts.forEachChild(node, visit);
  }
  visit(tree);
  return { name, imports, uses };
}

/** Returns the import that a node is; null if it is none. */
function readImport(node: ts.Node, importer: string): Import | null {
  const create = (specifier: ts.Node, kind: Import["kind"], values: Import["values"]): Import => {
    const from = ts.isStringLiteralLike(specifier) ? specifier.text : specifier.getText();
    const file = from.startsWith(".") ? relative(root, join(root, dirname(importer), from)) : null;
    return { from, file, kind, values };
  };
  if (ts.isImportDeclaration(node)) {
    const { importClause: clause, moduleSpecifier } = node;
    const named = clause?.namedBindings;
    if (!clause || clause.name || !named || !ts.isNamedImports(named)) {
      const isType = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      return create(moduleSpecifier, isType ? "type" : "static", isType ? [] : null);
    }
    return create(moduleSpecifier, ...readNames(clause.phaseModifier === ts.SyntaxKind.TypeKeyword, named.elements));
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    const { exportClause: clause, isTypeOnly, moduleSpecifier } = node;
    if (clause && ts.isNamedExports(clause)) return create(moduleSpecifier, ...readNames(isTypeOnly, clause.elements));
    return create(moduleSpecifier, isTypeOnly ? "type" : "static", isTypeOnly ? [] : null);
  }
  if (ts.isImportTypeNode(node)) {
    return create(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, "type", []);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return create(node.arguments[0]!, "dynamic", null);
  }
  return null;
}

type Specifiers = readonly (ts.ImportSpecifier | ts.ExportSpecifier)[];

function readNames(isTypeOnly: boolean, elements: Specifiers): [Import["kind"], string[]] {
  const values = elements.filter((element) => !isTypeOnly && !element.isTypeOnly);
  const names = values.map(({ name, propertyName }) => (propertyName ?? name).text);
  return [names.length > 0 ? "static" : "type", names];
}

/**
 * Returns the name of the global that a node uses, `process.env` included; null if it uses none. Without a type checker: a
 * property of another object (`description.fetch`) or the name of a member (`{ fetch: 1 }`) is none; all other names are.
 */
function readUse(node: ts.Node): string | null {
  const owner = readOwner(node);
  if (owner) return owner.object === "process" ? `process.${owner.member}` : owner.member;
  if (!ts.isIdentifier(node)) return null;
  const { parent } = node;
  const isMember =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isMethodDeclaration(parent)) &&
      parent.name === node);
  return isMember ? null : node.text;
}

const globalObjects = /^(globalThis|global|process|globalThis\.process|global\.process)$/;

/** Returns the member of a global object that a node reads: `process.env`, `globalThis["fetch"]`, `{ env } = process`. */
function readOwner(node: ts.Node): { object: string; member: string } | null {
  const owned = (expression: ts.Node | undefined, member: ts.Node): { object: string; member: string } | null => {
    const object = expression?.getText() ?? "";
    if (!globalObjects.test(object)) return null;
    const text = ts.isStringLiteralLike(member) || ts.isIdentifier(member) ? member.text : member.getText();
    return { object: object.replace(/^.*\./, ""), member: text };
  };
  if (ts.isPropertyAccessExpression(node)) return owned(node.expression, node.name);
  if (ts.isElementAccessExpression(node)) return owned(node.expression, node.argumentExpression);
  if (!ts.isBindingElement(node) || !ts.isVariableDeclaration(node.parent.parent)) return null;
  return owned(node.parent.parent.initializer, node.propertyName ?? node.name);
}
