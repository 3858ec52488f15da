// hls.js has the types of its light build with those of the whole one.
declare module "hls.js/light" {
  export { default } from "hls.js";
}
