import { InvalidArgumentError } from 'commander';

/** What is deployed under a name has it in the names of all it consists of, whose rules differ: this is what all of them allow. */
export function deploymentName(text: string): string {
  if (!/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/.test(text)) throw new InvalidArgumentError('Expected 2 to 40 small letters, digits and hyphens, a letter first.');
  return text;
}
