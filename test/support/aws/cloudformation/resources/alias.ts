/** AWS::Lambda::Alias */
import { type Functions, functionNamed, parseFunctionArn, versionOf } from '../../lambda/functions.ts';
import { AwsError } from '../../message.ts';
import type { Physical, ResourceType } from '../resource-type.ts';

interface Properties {
  /** Or its ARN. */
  readonly FunctionName: string;
  readonly Name: string;
  readonly FunctionVersion: string;
}

export function aliasType(functions: Functions): ResourceType {
  function point({ FunctionName, Name, FunctionVersion }: Properties): Physical {
    const target = functionNamed(functions, parseFunctionArn(FunctionName).name);
    target.aliases.set(Name, versionOf(target, FunctionVersion).version);
    return { id: `${target.arn}:${Name}`, attributes: { AliasArn: `${target.arn}:${Name}` } };
  }
  return {
    service: 'Lambda',
    fixed: ['FunctionName', 'Name'],
    tagged: false,
    async create(properties: Properties) {
      const { arn, aliases } = functionNamed(functions, parseFunctionArn(properties.FunctionName).name);
      if (aliases.has(properties.Name))
        throw new AwsError(409, 'ResourceConflictException', `Alias already exists: ${arn}:${properties.Name}`);
      return point(properties);
    },
    update: async (_, properties: Properties) => point(properties),
    async delete({ id }) {
      const { name, qualifier } = parseFunctionArn(id);
      functions.get(name)?.aliases.delete(qualifier);
    },
  };
}
