/** AWS CloudFormation: stacks that are brought to what templates say. */
import type { Service } from '../front.ts';
import { queryService } from '../query-protocol.ts';
import { changeSetOperations } from './change-set-operations.ts';
import type { Workshop } from './execution.ts';
import { stackOperations } from './stack-operations.ts';
import type { Stack } from './stacks.ts';

export function cloudFormationService(stacks: Stack[], workshop: Workshop): Service {
  return queryService('cloudformation', 'http://cloudformation.amazonaws.com/doc/2010-05-15/', {
    ...changeSetOperations(stacks, workshop),
    ...stackOperations(stacks, workshop),
  });
}
