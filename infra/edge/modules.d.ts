/** What a worker's imports of its files are: https://developers.cloudflare.com/workers/wrangler/bundling/ */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

declare module '*.slim' {
  const bytes: ArrayBuffer;
  export default bytes;
}

declare module '*.html' {
  const text: string;
  export default text;
}
