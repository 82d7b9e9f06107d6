import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// Of the WebAssembly API what is used here: Node's types lack it.
interface Engine {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

/** What Emscripten's glue calls to get an instance of its module. */
type Instantiate = (imports: object, use: (instance: object, module: object) => void) => object;

/**
 * Compiles a library, once, and gives what its glue needs to make an instance of it.
 *
 * An instance a file: its memory never shrinks, no file shall see what another left there, and after a fault it is in
 * no known state.
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
