/** Dockerfiles, as far as slim writes them: https://docs.docker.com/reference/dockerfile/ */
export interface Dockerfile {
  readonly from: string;
  readonly workdir: string;
  /** What is copied into WORKDIR. */
  readonly copied: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly exposed: number;
  readonly healthcheck: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

/** Throws where a line is no instruction that it knows. */
export function parseDockerfile(text: string): Dockerfile {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const instructions = lines.map((line) => {
    const [, name, argument] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`no instruction: ${line}`);
    return { name, argument };
  });
  const all = (wanted: string): string[] =>
    instructions.filter(({ name }) => name === wanted).map(({ argument }) => argument);
  const one = (wanted: string): string => {
    const found = all(wanted);
    if (found.length !== 1) throw new Error(`expected one ${wanted}, got ${found.length}`);
    return found[0];
  };
  const list = (json: string): string[] => JSON.parse(json) as string[];
  const known = ['FROM', 'WORKDIR', 'COPY', 'ENV', 'USER', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'];
  const other = instructions.find(({ name }) => !known.includes(name));
  if (other || instructions[0].name !== 'FROM') throw new Error(`unexpected ${other?.name ?? instructions[0].name}`);
  return {
    from: one('FROM'),
    workdir: one('WORKDIR'),
    copied: list(one('COPY')).slice(0, -1),
    environment: Object.fromEntries(all('ENV').map(variableOf)),
    user: one('USER'),
    exposed: Number(one('EXPOSE')),
    healthcheck: list(one('HEALTHCHECK').replace(/^(--[a-z-]+=\S+ )+CMD /, '')),
    entrypoint: list(one('ENTRYPOINT')),
    command: list(one('CMD')),
  };
}

/** NAME="value", with \\ before what would mean something. */
function variableOf(text: string): [name: string, value: string] {
  const [, name, quoted] = /^([A-Z0-9_]+)="((?:[^"\\$]|\\.)*)"$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`no variable: ${text}`);
  return [name, quoted.replace(/\\(.)/g, '$1')];
}
