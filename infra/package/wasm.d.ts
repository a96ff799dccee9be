/** What a file of WebAssembly is to whoever imports it, in workers and with bundlers that take it as a module. */
declare const module: WebAssembly.Module;
export default module;
