// For Docker's HEALTHCHECK, in images that have no curl: exits with 0 where the server beside it answers that it is
// ready.
const { ok } = await fetch(`http://127.0.0.1:${process.env.PORT || 8080}/readyz`).catch(() => ({ ok: false }));
process.exit(ok ? 0 : 1);

export {};
