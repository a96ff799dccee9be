/** AWS::IAM::Role */
import { putRole, type RoleProperties, type Roles } from '../../iam.ts';
import { AwsError } from '../../message.ts';
import { generatedName, type Physical, type ResourceType } from '../resource-type.ts';

interface Properties extends RoleProperties {
  readonly RoleName?: string;
}

export function roleType(roles: Roles): ResourceType {
  function put(name: string, properties: Properties): Physical {
    return { id: name, attributes: { Arn: putRole(roles, name, properties).arn } };
  }
  return {
    service: 'Iam',
    fixed: ['RoleName', 'Path'],
    tagged: true,
    async create(properties: Properties, place) {
      const name = properties.RoleName ?? generatedName(place);
      if (roles.has(name)) throw new AwsError(409, 'EntityAlreadyExists', `Role with name ${name} already exists.`);
      return put(name, properties);
    },
    update: async ({ id }, properties: Properties) => put(id, properties),
    delete: async ({ id }) => void roles.delete(id),
  };
}
