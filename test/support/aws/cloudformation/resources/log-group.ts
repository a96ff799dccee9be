/** AWS::Logs::LogGroup */
import { ACCOUNT, REGION } from '../../identity.ts';
import { AwsError } from '../../message.ts';
import { generatedName, type Physical, type ResourceType } from '../resource-type.ts';

export interface LogGroup {
  /** Null: for ever. */
  readonly retentionInDays: number | null;
}

interface Properties {
  readonly LogGroupName?: string;
  readonly RetentionInDays?: number | string;
}

export function logGroupType(logGroups: Map<string, LogGroup>): ResourceType {
  function put(name: string, { RetentionInDays }: Properties): Physical {
    logGroups.set(name, { retentionInDays: RetentionInDays === undefined ? null : Number(RetentionInDays) });
    return { id: name, attributes: { Arn: `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${name}:*` } };
  }
  return {
    service: 'CloudWatchLogs',
    fixed: ['LogGroupName'],
    tagged: true,
    async create(properties: Properties, place) {
      const name = properties.LogGroupName ?? generatedName(place);
      if (logGroups.has(name))
        throw new AwsError(409, 'ResourceAlreadyExistsException', 'The specified log group already exists');
      return put(name, properties);
    },
    update: async ({ id }, properties: Properties) => put(id, properties),
    delete: async ({ id }) => void logGroups.delete(id),
  };
}
