/** AWS::Lambda::Function. Its concurrency is not limited. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Roles } from '../../iam.ts';
import { codeFromS3 } from '../../lambda/code.ts';
import { type ConfigurationProperties, configurationOf } from '../../lambda/configuration.ts';
import {
  createFunction,
  type Functions,
  functionNamed,
  LATEST,
  type LambdaFunction,
  newVersion,
} from '../../lambda/functions.ts';
import type { Buckets } from '../../s3/state.ts';
import { generatedName, type Physical, type ResourceType } from '../resource-type.ts';

interface Properties extends ConfigurationProperties {
  readonly FunctionName?: string;
  readonly Code: { readonly S3Bucket: string; readonly S3Key: string };
}

export interface FunctionTypeOptions {
  readonly functions: Functions;
  readonly buckets: Buckets;
  readonly roles: Roles;
  /** How long a new or changed function takes to become ready. */
  readonly pendingMs: number;
}

export function functionType({ functions, buckets, roles, pendingMs }: FunctionTypeOptions): ResourceType {
  const physical = ({ name, arn }: LambdaFunction): Physical => ({ id: name, attributes: { Arn: arn } });
  return {
    service: 'Lambda',
    fixed: ['FunctionName', 'PackageType'],
    tagged: true,
    async create(properties: Properties, place) {
      const name = properties.FunctionName ?? generatedName(place);
      const made = createFunction(
        functions,
        name,
        codeFromS3(buckets, properties.Code.S3Bucket, properties.Code.S3Key),
        configurationOf(name, properties, roles),
      );
      await wait(pendingMs);
      made.latest.state = 'Active';
      return physical(made);
    },
    async update({ id }, properties: Properties) {
      const changed = functionNamed(functions, id);
      const code = codeFromS3(buckets, properties.Code.S3Bucket, properties.Code.S3Key);
      changed.latest = {
        ...newVersion(LATEST, code, configurationOf(id, properties, roles)),
        lastUpdateStatus: 'InProgress',
      };
      await wait(pendingMs);
      changed.latest.lastUpdateStatus = 'Successful';
      return physical(changed);
    },
    delete: async ({ id }) => void functions.delete(id),
  };
}
