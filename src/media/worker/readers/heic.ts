import { createRequire } from "node:module";
import { asStill } from "../../formats/heif.ts";
import { readProfile, readThumbnail } from "../../formats/heif-items.ts";
import type { Raster } from "../../raster.ts";
import { type Reader, UnreadableError } from "../reader.ts";
import { compile } from "./wasm.ts";

/** The part of libheif's WebAssembly API that is used here; its own types are only `any`. */
interface Libheif {
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGBA: unknown };
  readonly heif_channel: { readonly heif_channel_interleaved: unknown };
  readonly heif_error_code: { readonly heif_error_Ok: unknown };
  heif_context_alloc(): unknown;
  heif_context_free(context: unknown): void;
  heif_context_read_from_memory(context: unknown, body: Uint8Array): { readonly code: unknown };
  heif_js_context_get_primary_image_handle(context: unknown): Handle | null;
  heif_js_context_get_image_handle(context: unknown, item: number): Handle | null;
  heif_image_handle_release(handle: unknown): void;
  heif_js_decode_image2(handle: unknown, colorspace: unknown, chroma: unknown): Promise<Decoded | null>;
  heif_image_release(image: unknown): void;
}

/** An error if it has a `code`. */
interface Handle {
  readonly code?: unknown;
}

interface Decoded {
  readonly code?: unknown;
  readonly image: unknown;
  readonly channels: readonly Channel[];
}

interface Channel {
  readonly id: unknown;
  readonly width: number;
  readonly height: number;
  /** Bytes a row. */
  readonly stride: number;
  /** Lies in the library's memory. */
  readonly data: Uint8Array;
}

const folder = "libheif-js/libheif-wasm/libheif";
const create = createRequire(import.meta.url)(`${folder}.js`) as (options: object) => Libheif;
const instantiateWasm = compile(`${folder}.wasm`);

/** HEIF with HEVC in it, as phones make it: the primary picture or its thumbnail, cropped and turned as it says. */
export const reader: Reader = {
  async show(file) {
    const body = asStill(file);
    const libheif = create({ instantiateWasm });
    const context = libheif.heif_context_alloc();
    try {
      const { code } = libheif.heif_context_read_from_memory(context, body);
      if (code !== libheif.heif_error_code.heif_error_Ok) throw new UnreadableError("not HEIF");
      const thumbnail = readThumbnail(body);
      const handle = thumbnail
        ? libheif.heif_js_context_get_image_handle(context, thumbnail.item)
        : libheif.heif_js_context_get_primary_image_handle(context);
      if (!handle || handle.code !== undefined) throw new UnreadableError("no picture");
      try {
        return { raster: await decode(libheif, handle), profile: readProfile(body) };
      } finally {
        libheif.heif_image_handle_release(handle);
      }
    } finally {
      libheif.heif_context_free(context);
    }
  },
};

async function decode(libheif: Libheif, handle: unknown): Promise<Raster> {
  const { heif_colorspace, heif_chroma, heif_channel } = libheif;
  const decoded = await libheif.heif_js_decode_image2(
    handle,
    heif_colorspace.heif_colorspace_RGB,
    heif_chroma.heif_chroma_interleaved_RGBA,
  );
  if (!decoded || decoded.code !== undefined) throw new UnreadableError("cannot be decoded");
  try {
    const pixels = decoded.channels.find(({ id }) => id === heif_channel.heif_channel_interleaved);
    if (!pixels) throw new UnreadableError("no colours");
    return withoutPadding(pixels);
  } finally {
    libheif.heif_image_release(decoded.image);
  }
}

/** Copies the pixels: the library reuses its memory as soon as the picture is released. */
function withoutPadding({ width, height, stride, data }: Channel): Raster {
  const rgba = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    rgba.set(data.subarray(row * stride, row * stride + width * 4), row * width * 4);
  }
  return { width, height, rgba };
}
