/** Parameters of a stack. */
import { ACCOUNT } from '../identity.ts';
import { type Template, type TemplateParameter, validationError } from './template.ts';

export type Parameters = Readonly<Record<string, string>>;

/** As a client gives it: with a value, or to be as it was. */
export interface GivenParameter {
  readonly ParameterKey: string;
  readonly ParameterValue?: string;
  readonly UsePreviousValue?: string;
}

/** Throws an AwsError where a parameter is unknown, missing or not allowed. */
export function resolveParameters(
  { Parameters }: Template,
  given: readonly GivenParameter[],
  previous: Parameters,
): Parameters {
  const unknown = given
    .filter(({ ParameterKey }) => !(ParameterKey in Parameters))
    .map(({ ParameterKey }) => ParameterKey);
  if (unknown.length > 0) throw validationError(`Parameters: [${unknown.join(', ')}] do not exist in the template`);
  const values = Object.entries(Parameters).map(([name, { Default }]) => {
    const one = given.find(({ ParameterKey }) => ParameterKey === name);
    return [
      name,
      one?.UsePreviousValue === 'true'
        ? previous[name]
        : (one?.ParameterValue ?? (Default === undefined ? undefined : String(Default))),
    ] as const;
  });
  const missing = values.filter(([, value]) => value === undefined).map(([name]) => name);
  if (missing.length > 0) throw validationError(`Parameters: [${missing.join(', ')}] must have values`);
  const resolved = Object.fromEntries(values) as Parameters;
  for (const [name, value] of Object.entries(resolved)) checkValue(name, value, Parameters[name]);
  return resolved;
}

function checkValue(name: string, value: string, { Type, AllowedValues }: TemplateParameter): void {
  if (Type === 'Number' && !/^-?\d+(\.\d+)?$/.test(value))
    throw validationError(`Parameter '${name}' must be a number.`);
  if (AllowedValues !== undefined && !AllowedValues.map(String).includes(value)) {
    throw validationError(`Parameter '${name}' must be one of AllowedValues`);
  }
}

/** What clients may see of them. */
export function shownParameters(
  { Parameters }: Template,
  values: Parameters,
): { readonly ParameterKey: string; readonly ParameterValue: string }[] {
  return Object.entries(values).map(([name, value]) => ({
    ParameterKey: name,
    ParameterValue: String(Parameters[name].NoEcho) === 'true' ? '****' : value,
  }));
}

/** Parameters that every template has. */
export function pseudoParameters(stackName: string, stackId: string, region: string): Parameters {
  return {
    'AWS::AccountId': ACCOUNT,
    'AWS::Region': region,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::StackName': stackName,
    'AWS::StackId': stackId,
  };
}
