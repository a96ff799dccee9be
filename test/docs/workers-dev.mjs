// Before `slim`: what lives on workers.dev is asked at DOCS_WORKERS_DEV, by its name.
const { fetch } = globalThis;

globalThis.fetch = (input, init) => {
  const { hostname, pathname, search } = new URL(input instanceof Request ? input.url : input);
  const [name, ...rest] = hostname.split('.');
  if (rest.slice(1).join('.') !== 'workers.dev') return fetch(input, init);
  return fetch(`${process.env.DOCS_WORKERS_DEV}/${name}${pathname}${search}`, init);
};
