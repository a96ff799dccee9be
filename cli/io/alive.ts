import { readFileSync } from 'node:fs';
import { errorCode } from './files.ts';

/** Whether a process of this number runs on this machine, whoever's it is. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    // Signal 0 only asks.
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  return !isZombie(pid);
}

/** One that has ended, and whose parent has not looked: in containers nobody may ever. Only Linux tells. */
function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // Its name, which may have anything in it, is in brackets.
    return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').split(')').at(-1)?.slice(0, 3) ?? '');
  } catch (error) {
    // Ended meanwhile; or /proc is hidden, and the signal's word has to do.
    return errorCode(error) === 'ESRCH';
  }
}
