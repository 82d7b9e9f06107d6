/** The mutants of a source file: small edits, each of which a test should notice. */
import ts from "typescript";

/** One edit of a source file. */
export interface Mutant {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Offsets of the replaced text, in UTF-16 units. */
  readonly from: number;
  readonly to: number;
  readonly original: string;
  readonly replacement: string;
}

const swappedOperators: Readonly<Partial<Record<ts.SyntaxKind, string>>> = {
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: "!==",
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: "===",
  [ts.SyntaxKind.LessThanToken]: "<=",
  [ts.SyntaxKind.LessThanEqualsToken]: "<",
  [ts.SyntaxKind.GreaterThanToken]: ">=",
  [ts.SyntaxKind.GreaterThanEqualsToken]: ">",
  [ts.SyntaxKind.PlusToken]: "-",
  [ts.SyntaxKind.MinusToken]: "+",
  [ts.SyntaxKind.AsteriskToken]: "/",
  [ts.SyntaxKind.SlashToken]: "*",
  [ts.SyntaxKind.AmpersandAmpersandToken]: "||",
  [ts.SyntaxKind.BarBarToken]: "&&",
  [ts.SyntaxKind.QuestionQuestionToken]: "&&",
  [ts.SyntaxKind.PlusEqualsToken]: "-=",
  [ts.SyntaxKind.MinusEqualsToken]: "+=",
};

/** Returns the edits of one node as replaced node and replacement. */
function editsOf(node: ts.Node): readonly (readonly [ts.Node, string])[] {
  if (ts.isBinaryExpression(node)) {
    const swapped = swappedOperators[node.operatorToken.kind];
    // "a" + b has no difference.
    const isText = ts.isStringLiteralLike(node.left) || ts.isStringLiteralLike(node.right);
    return swapped === undefined || isText ? [] : [[node.operatorToken, swapped]];
  }
  if (ts.isIfStatement(node)) return [[node.expression, "false"]];
  if (ts.isConditionalExpression(node)) return [[node.condition, `!(${node.condition.getText()})`]];
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    return [[node, node.operand.getText()]];
  }
  if (ts.isNumericLiteral(node)) return [[node, `(${node.text} + 1)`]];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [[node, "false"]];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [[node, "true"]];
  // A call for its effect alone.
  if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression)) return [[node, ";"]];
  return [];
}

/** Lists the mutants of a TypeScript file. Types have none. */
export function mutateTypeScript(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    for (const [replaced, replacement] of editsOf(node)) {
      const [from, to] = [replaced.getStart(source), replaced.getEnd()];
      const line = source.getLineAndCharacterOfPosition(from).line + 1;
      mutants.push({ file, line, from, to, original: text.slice(from, to), replacement });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return mutants;
}

const luaEdits: readonly (readonly [pattern: RegExp, replace: (found: string) => string])[] = [
  [/==/g, () => "~="],
  [/~=/g, () => "=="],
  [/<=/g, () => "<"],
  [/>=/g, () => ">"],
  [/(?<=\s)<(?=\s)/g, () => "<="],
  [/(?<=\s)>(?=\s)/g, () => ">="],
  [/(?<=\s)\+(?=\s)/g, () => "-"],
  [/(?<=\s)-(?=\s)/g, () => "+"],
  [/\band\b/g, () => "or"],
  [/\bor\b/g, () => "and"],
  [/\bnot /g, () => ""],
  [/\btrue\b/g, () => "false"],
  [/\bfalse\b/g, () => "true"],
  [/(?<![\w."'\\^%])\d+(?![\w.])/g, (found) => `(${found} + 1)`],
  [/(?<=^\t+)[\w.:]+\([^{]*\);$/gm, () => ";"], // a call for its effect alone
];

/** Hides comments and strings of Lua: the same length, without anything to mutate. */
function hideLuaText(text: string): string {
  return text.replace(/--.*$|"(?:\\.|[^"\\\n])*"/gm, (found) => "\0".repeat(found.length));
}

/** Lists the mutants of a Lua file. */
export function mutateLua(file: string, text: string): Mutant[] {
  const code = hideLuaText(text);
  return luaEdits.flatMap(([pattern, replace]) =>
    [...code.matchAll(pattern)].map(({ 0: found, index: from }) => {
      const line = text.slice(0, from).split("\n").length;
      const to = from + found.length;
      return { file, line, from, to, original: text.slice(from, to), replacement: replace(found) };
    }),
  );
}

/** Returns the text of a file with the edit. */
export function applyMutant(text: string, { from, to, replacement }: Mutant): string {
  return text.slice(0, from) + replacement + text.slice(to);
}
