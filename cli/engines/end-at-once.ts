/** The end of a process while a native library still computes on threads of its own. */
import koffi from 'koffi';

/**
 * `_exit` of unistd.h, as a listener of the process's `exit`: no destructors, no joining. Node's own streams have
 * written what they write synchronously.
 */
export function endAtOnce(code: number): void {
  koffi.load(null).func('void _exit(int)')(code);
}
