import sharp from "sharp";
import { rgbaToBlurhash } from "/work/main/src/media/blurhash.ts";
import { rgbaToThumbhash } from "/work/main/src/media/thumbhash.ts";
sharp.cache(false); sharp.concurrency(1);
const src=sharp("/work/shared/corpus/media/wuffs__harvesters.jpeg");console.log((await src.metadata()).width);
const time=async(f:()=>Promise<unknown>)=>{for(let i=0;i<5;i++)await f();const a=[];for(let i=0;i<25;i++){const t=performance.now();await f();a.push(performance.now()-t)}return a.sort((x,y)=>x-y)[12]!.toFixed(1)};
for(const w of [320,640,1024,1600,2400,4000]){const b=await sharp("/work/shared/corpus/media/wuffs__harvesters.jpeg").resize(w).jpeg({quality:82}).toBuffer();const m=await sharp(b).metadata();const h=m.height;
 const W=m.width;
 const one=(n:number,o={})=>()=>sharp(b,{limitInputPixels:false}).autoOrient().resize(Math.min(n,W),Math.min(n,h),{fit:"fill",...o}).toColourspace("srgb").ensureAlpha().raw({depth:"uchar"}).toBuffer();
 const raw=await one(256)();
 const rw=Math.min(256,W),rh=Math.min(256,h);const s=100/Math.max(W,h);
 console.log(w,h,b.length,"meta",await time(()=>sharp(b).metadata()),"32in",await time(()=>sharp(b).resize(32,32,{fit:"inside"}).ensureAlpha().raw().toBuffer()),"128",await time(one(128)),"192",await time(one(192)),"256",await time(one(256)),"256nofast",await time(one(256,{fastShrinkOnLoad:false})),"thumb from raw",await time(()=>sharp(raw,{raw:{width:rw,height:rh,channels:4}}).resize(Math.round(W*s),Math.round(h*s),{fit:"fill"}).raw().toBuffer()));
}
