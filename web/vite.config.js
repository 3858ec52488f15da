// The page is built into the Python package, compressed beforehand, so that the server only sends.

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const OUT = "../src/cella/web/static";
const PACKABLE = /\.(css|html|js|svg|webmanifest)$/;

function packed() {
  return {
    name: "packed",
    apply: "build",
    async closeBundle() {
      for (const name of await readdir(OUT, { recursive: true })) {
        if (!PACKABLE.test(name)) continue;
        const path = join(OUT, name);
        const body = await readFile(path);
        const brotli = brotliCompressSync(body, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11 },
        });
        if (brotli.length < body.length) await writeFile(`${path}.br`, brotli);
        const gzip = gzipSync(body, { level: 9 });
        if (gzip.length < body.length) await writeFile(`${path}.gz`, gzip);
      }
    },
  };
}

export default defineConfig({
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  plugins: [packed()],
});
