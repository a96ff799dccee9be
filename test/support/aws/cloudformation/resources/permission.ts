/** AWS::Lambda::Permission */
import { type Functions, functionNamed, LATEST, parseFunctionArn, versionOf } from '../../lambda/functions.ts';
import { generatedName, type ResourceType } from '../resource-type.ts';

interface Properties {
  /** Or its ARN; with an alias, where the permission is for that alone. */
  readonly FunctionName: string;
  readonly Action: string;
  readonly Principal: string;
  readonly FunctionUrlAuthType?: string;
  readonly InvokedViaFunctionUrl?: boolean | string;
}

export function permissionType(functions: Functions): ResourceType {
  return {
    service: 'Lambda',
    fixed: null,
    tagged: false,
    async create({ FunctionName, Action, Principal, FunctionUrlAuthType, InvokedViaFunctionUrl }: Properties, place) {
      const { name, qualifier = LATEST } = parseFunctionArn(FunctionName);
      const target = functionNamed(functions, name);
      versionOf(target, qualifier);
      const id = generatedName(place);
      target.permissions.set(id, {
        qualifier,
        action: Action,
        principal: Principal,
        functionUrlAuthType: FunctionUrlAuthType,
        invokedViaFunctionUrl:
          InvokedViaFunctionUrl === undefined ? undefined : String(InvokedViaFunctionUrl) === 'true',
      });
      return { id, attributes: { Id: id } };
    },
    update: async (physical) => physical,
    async delete({ id }) {
      for (const { permissions } of functions.values()) permissions.delete(id);
    },
  };
}
