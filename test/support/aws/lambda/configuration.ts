/** A function's configuration, checked as Lambda checks it. */

import type { Roles } from '../iam.ts';
import { AwsError } from '../message.ts';
import { invalidParameter } from './code.ts';

export interface Configuration {
  readonly Handler: string;
  readonly Runtime: string;
  /** An ARN. */
  readonly Role: string;
  readonly Architectures: readonly string[];
  /** In MB. */
  readonly MemorySize: number;
  /** In seconds. */
  readonly Timeout: number;
  readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
  readonly LoggingConfig: { readonly LogFormat: string; readonly LogGroup: string };
}

/** What a client gives: numbers may be text, as CloudFormation's parameters are. */
export interface ConfigurationProperties {
  readonly Handler: string;
  readonly Runtime: string;
  readonly Role: string;
  readonly Architectures?: readonly string[];
  readonly MemorySize?: number | string;
  readonly Timeout?: number | string;
  readonly Environment?: { readonly Variables?: Readonly<Record<string, string | number>> };
  readonly LoggingConfig?: { readonly LogFormat?: string; readonly LogGroup?: string };
}

const RUNTIME = 'nodejs24.x';
const MAX_ENVIRONMENT_BYTES = 4096;

/** Throws an AwsError where Lambda would not take it. */
export function configurationOf(name: string, properties: ConfigurationProperties, roles: Roles): Configuration {
  const {
    Handler,
    Runtime,
    Role,
    Architectures = ['x86_64'],
    MemorySize = 128,
    Timeout = 3,
    Environment = {},
    LoggingConfig = {},
  } = properties;
  if (Runtime !== RUNTIME)
    throw invalidParameter(
      `Value ${Runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${RUNTIME}]`,
    );
  if (!/^[a-zA-Z0-9-_]{1,64}$/.test(name))
    throw validation(
      'functionName',
      name,
      'Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+ of at most 64 characters',
    );
  if (Architectures.length !== 1 || !['x86_64', 'arm64'].includes(Architectures[0]))
    throw validation(
      'architectures',
      `[${Architectures.join(', ')}]`,
      'Member must satisfy enum value set: [x86_64, arm64]',
    );
  if (![...roles.values()].some(({ arn, trusted }) => arn === Role && trusted.includes('lambda.amazonaws.com'))) {
    throw invalidParameter('The role defined for the function cannot be assumed by Lambda.');
  }
  return {
    Handler,
    Runtime,
    Role,
    Architectures,
    MemorySize: numberWithin('memorySize', MemorySize, 128, 10_240),
    Timeout: numberWithin('timeout', Timeout, 1, 900),
    Environment: { Variables: checkedVariables(Environment.Variables ?? {}) },
    LoggingConfig: {
      LogFormat: LoggingConfig.LogFormat ?? 'Text',
      LogGroup: LoggingConfig.LogGroup ?? `/aws/lambda/${name}`,
    },
  };
}

function numberWithin(name: string, value: number | string, min: number, max: number): number {
  if (Number(value) < min)
    throw validation(name, String(value), `Member must have value greater than or equal to ${min}`);
  if (!(Number(value) <= max))
    throw validation(name, String(value), `Member must have value less than or equal to ${max}`);
  return Number(value);
}

function validation(name: string, value: string, constraint: string): AwsError {
  return new AwsError(
    400,
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: ${constraint}`,
  );
}

function checkedVariables(variables: Readonly<Record<string, string | number>>): Record<string, string> {
  const reserved = Object.keys(variables).filter((name) =>
    /^(AWS_(REGION|DEFAULT_REGION|ACCESS_KEY.*|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)|LAMBDA_.*|_HANDLER|TZ)$/.test(
      name,
    ),
  );
  if (reserved.length > 0)
    throw invalidParameter(
      'Lambda was unable to configure your environment variables because the environment variables you have provided ' +
        'contains reserved keys that are currently not supported for modification. ' +
        `Reserved keys used in this request: ${reserved.join(', ')}`,
    );
  const text = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)]));
  if (Buffer.byteLength(JSON.stringify(text)) > MAX_ENVIRONMENT_BYTES) {
    throw invalidParameter(
      'Lambda was unable to configure your environment variables because the environment variables you have provided ' +
        'exceeded the 4KB limit.',
    );
  }
  return text;
}
