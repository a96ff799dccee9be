import type { HostFacts } from './server-hosts.ts';

/**
 * A Dockerfile that copies these files and installs nothing. It runs as a user without rights, who can't change them.
 */
export function dockerfile(
  { image, user, serve, check }: Pick<HostFacts, 'image' | 'user' | 'serve' | 'check'>,
  files: readonly string[],
  environment: Readonly<Record<string, string>>,
): string {
  const variables = Object.entries({ NODE_ENV: 'production', PORT: '8080', HOST: '0.0.0.0', ...environment });
  return `FROM ${image}
WORKDIR /app
COPY ${JSON.stringify([...files, './'])}
${variables.map(([name, value]) => `ENV ${name}=${quoted(value)}`).join('\n')}
USER ${user}
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ${JSON.stringify(check)}
# The server is the first process and gets SIGTERM itself, whatever the image would start.
ENTRYPOINT []
CMD ${JSON.stringify(serve)}
`;
}

/** A value as Dockerfiles take it: in quotes, where \\ and $ mean something. */
function quoted(value: string): string {
  return `"${value.replace(/[\\"$]/g, '\\$&')}"`;
}
