/** AWS Security Token Service: tells a caller who it is. */
import type { Service } from './front.ts';
import { queryService } from './query-protocol.ts';

export const stsService: Service = queryService('sts', 'https://sts.amazonaws.com/doc/2011-06-15/', {
  GetCallerIdentity: {
    resource: () => null,
    run: (_, { identity }) => ({ Arn: identity.arn, UserId: identity.accessKeyId, Account: identity.account }),
  },
});
