import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The part of the WebAssembly API that is used here: Node's types lack it.
interface Engine {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

/** The hook through which Emscripten's glue code gets an instance of its module. */
type Instantiate = (imports: object, use: (instance: object, module: object) => void) => object;

/**
 * Compiles a library, once, and returns the hook for its glue code.
 *
 * One instance a file: its memory never shrinks, a file must not see the data of another, and after a fault its state
 * is undefined.
 *
 * @param file as `require` would name it
 */
export function compile(file: string): Instantiate {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;
  const module = new Module(readFileSync(createRequire(import.meta.url).resolve(file)));
  return (imports, use) => {
    const instance = new Instance(module, imports);
    use(instance, module);
    return instance.exports;
  };
}
