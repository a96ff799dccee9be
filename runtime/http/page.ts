/** Where the page's script and style may come from: nowhere but from these bytes of the page itself. */
export async function pagePolicy(html: string): Promise<string> {
  const [scripts, styles] = await Promise.all([hashesOf(html, 'script'), hashesOf(html, 'style')]);
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    `style-src ${styles}`,
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

async function hashesOf(html: string, element: string): Promise<string> {
  const contents = [...html.matchAll(new RegExp(`<${element}\\b[^>]*>([^]*?)</${element}>`, 'g'))].map(([, text]) =>
    new TextEncoder().encode(text),
  );
  const hashes = await Promise.all(contents.map((text) => crypto.subtle.digest('SHA-256', text)));
  return hashes.length === 0
    ? "'none'"
    : hashes.map((hash) => `'sha256-${btoa(String.fromCharCode(...new Uint8Array(hash)))}'`).join(' ');
}
