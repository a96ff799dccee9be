/** AWS::Lambda::Url */
import type { Identity } from '../../identity.ts';
import type { Environments } from '../../lambda/environments.ts';
import { serveFunctionUrl } from '../../lambda/function-url.ts';
import {
  type Functions,
  type FunctionUrl,
  functionNamed,
  LATEST,
  parseFunctionArn,
  versionOf,
} from '../../lambda/functions.ts';
import { AwsError } from '../../message.ts';
import type { Physical, ResourceType } from '../resource-type.ts';

interface Properties {
  /** Or its name. */
  readonly TargetFunctionArn: string;
  readonly Qualifier?: string;
  readonly AuthType: FunctionUrl['authType'];
}

export interface UrlTypeOptions {
  readonly functions: Functions;
  readonly environments: Environments;
  readonly identityOf: (accessKeyId: string) => Identity | undefined;
}

export function urlType({ functions, environments, identityOf }: UrlTypeOptions): ResourceType {
  const urlsOf = (id: string): Map<string, FunctionUrl> => functionNamed(functions, parseFunctionArn(id).name).urls;
  const physical = (id: string, { url }: FunctionUrl): Physical => ({
    id,
    attributes: { FunctionUrl: url, FunctionArn: id },
  });
  return {
    service: 'Lambda',
    fixed: ['TargetFunctionArn', 'Qualifier'],
    tagged: false,
    async create({ TargetFunctionArn, Qualifier = LATEST, AuthType }: Properties) {
      const target = functionNamed(functions, parseFunctionArn(TargetFunctionArn).name);
      versionOf(target, Qualifier);
      if (target.urls.has(Qualifier))
        throw new AwsError(
          409,
          'ResourceConflictException',
          `Failed to create function url config for [functionArn = ${target.arn}:${Qualifier}]. ` +
            'Error message:  FunctionUrlConfig exists for this Lambda function',
        );
      const served = await serveFunctionUrl({
        target,
        qualifier: Qualifier,
        authType: AuthType,
        environments,
        identityOf,
      });
      target.urls.set(Qualifier, served);
      return physical(`${target.arn}:${Qualifier}`, served);
    },
    async update({ id }, { AuthType }: Properties) {
      const served = urlsOf(id).get(parseFunctionArn(id).qualifier)!;
      served.authType = AuthType;
      return physical(id, served);
    },
    async delete({ id }) {
      const { qualifier } = parseFunctionArn(id);
      await urlsOf(id).get(qualifier)!.close();
      urlsOf(id).delete(qualifier);
    },
  };
}
