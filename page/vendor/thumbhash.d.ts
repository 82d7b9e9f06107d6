export { thumbHashToRGBA } from "thumbhash";
