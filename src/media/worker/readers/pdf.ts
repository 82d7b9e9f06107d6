import { PDFiumLibrary, type PDFiumPage } from "@hyzyla/pdfium";
import { type Size, createSize } from "../../../domain/size.ts";
import type { Raster } from "../../raster.ts";
import { type Reader, UnreadableError } from "../reader.ts";
import { compile } from "./wasm.ts";

// Drawn so large, and then made smaller: thin lines of a text are grey then, as seen from afar.
const longestSide = 512;
// ISO 32000-1, annex C.2 (and what a page with a lying box must not get past).
const maxPoints = 200_000;

const instantiateWasm = compile("@hyzyla/pdfium/pdfium.wasm");

/** PDF: the first page. One that needs a password to be opened has none. */
export const reader: Reader = {
  measure: (body) => withFirstPage(body, (_, size) => Promise.resolve({ ...size, animated: null, durationMs: null })),
  show: (body) => withFirstPage(body, async (page, size) => ({ raster: await draw(page, size) })),
};

async function withFirstPage<T>(body: Uint8Array, use: (page: PDFiumPage, size: Size) => Promise<T>): Promise<T> {
  const pdfium = await PDFiumLibrary.init({ instantiateWasm: instantiateWasm as never });
  const document = await pdfium.loadDocument(body);
  try {
    if (document.getPageCount() < 1) throw new UnreadableError("no page");
    const page = document.getPage(0);
    return await use(page, sizeOf(page));
  } finally {
    document.destroy();
  }
}

/** In points of 1/72 inch, turned as the page says. */
function sizeOf(page: PDFiumPage): Size {
  const { originalWidth, originalHeight } = page.getOriginalSize();
  const size = createSize(Math.round(originalWidth), Math.round(originalHeight));
  if (!size || Math.max(size.width, size.height) > maxPoints) throw new UnreadableError("a page of no size");
  return size;
}

async function draw(page: PDFiumPage, { width, height }: Size): Promise<Raster> {
  const scale = longestSide / Math.max(width, height);
  const drawn = await page.render({
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
    render: ({ data }) => Promise.resolve(data),
  });
  return { width: drawn.width, height: drawn.height, rgba: drawn.data };
}
