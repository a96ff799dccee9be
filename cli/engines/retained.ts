/**
 * Something native that may be disposed of while calls on other threads, or what was made of it, still have it: it is
 * freed once it has been disposed of and nobody has it any more.
 */
export abstract class Retained {
  private holders = 0;
  private disposed = false;

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Says that so many more have it, each of whom says `release`. */
  retain(count = 1): void {
    this.holders += count;
  }

  release(): void {
    this.holders--;
    if (this.disposed && this.holders === 0) this.free();
  }

  /** Retains it for as long as a call takes. */
  async using<T>(call: () => Promise<T>): Promise<T> {
    this.retain();
    try {
      return await call();
    } finally {
      this.release();
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.holders === 0) this.free();
  }

  protected abstract free(): void;
}
