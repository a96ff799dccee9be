/** One program for each length that texts are padded to (null: pictures), compiled when it is first asked for. */
export interface Programs<P extends Disposable> {
  at(tokens: number | null): Promise<P>;
  dispose(): Promise<void>;
}

interface Disposable {
  dispose(): Promise<void>;
}

/** Programs that `compile` makes when they are first asked for, each once. `dispose` ends all that were made. */
export function createPrograms<P extends Disposable>(compile: (tokens: number | null) => Promise<P>): Programs<P> {
  const programs = new Map<number | null, Promise<P>>();
  return {
    at(tokens) {
      const known = programs.get(tokens);
      if (known) return known;
      const program = compile(tokens);
      programs.set(tokens, program);
      program.catch(() => programs.delete(tokens)); // what failed may be tried again, and there is nothing to end
      return program;
    },
    async dispose() {
      const made = await Promise.allSettled(programs.values());
      programs.clear();
      for (const one of made) if (one.status === 'fulfilled') await one.value.dispose();
    },
  };
}
