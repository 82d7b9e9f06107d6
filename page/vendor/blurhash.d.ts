export { decode } from "blurhash";
