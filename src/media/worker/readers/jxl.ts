import glue from "@jsquash/jxl/codec/dec/jxl_dec.js";
import { type Reader, UnreadableError } from "../reader.ts";
import { compile } from "./wasm.ts";

interface Libjxl {
  /** Null where it cannot. The pixels are a copy, sRGB, upright. */
  decode(
    body: Uint8Array,
  ): { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray } | null;
}

// What browsers give its pixels in.
Object.assign(globalThis, {
  ImageData: class {
    readonly data: Uint8ClampedArray;
    readonly width: number;
    readonly height: number;

    constructor(data: Uint8ClampedArray, width: number, height: number) {
      this.data = data;
      this.width = width;
      this.height = height;
    }
  },
});

const create = glue as unknown as (options: object) => Promise<Libjxl>;
const instantiateWasm = compile("@jsquash/jxl/codec/dec/jxl_dec.wasm");

/** JPEG XL, of an animation the first frame. */
export const reader: Reader = {
  async show(body) {
    const libjxl = await create({ instantiateWasm });
    const image = libjxl.decode(body);
    if (!image) throw new UnreadableError("cannot be decoded");
    const { width, height, data } = image;
    return { raster: { width, height, rgba: new Uint8Array(data.buffer, data.byteOffset, data.length) } };
  },
};
