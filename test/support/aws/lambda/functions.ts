/** What Lambda keeps: functions, their versions, aliases, URLs and who may call them. */
import { randomUUID } from 'node:crypto';
import { ACCOUNT, REGION } from '../identity.ts';
import { AwsError } from '../message.ts';
import type { FunctionCode } from './code.ts';
import type { Configuration } from './configuration.ts';

export interface LambdaFunction {
  readonly name: string;
  readonly arn: string;
  /** What the next version will be a copy of. */
  latest: FunctionVersion;
  /** By number. They never change. */
  readonly versions: Map<string, FunctionVersion>;
  /** To versions. */
  readonly aliases: Map<string, string>;
  /** By alias. */
  readonly urls: Map<string, FunctionUrl>;
  readonly permissions: Map<string, Permission>;
}

export interface FunctionVersion {
  /** `$LATEST` or a number. */
  readonly version: string;
  readonly code: FunctionCode;
  readonly configuration: Configuration;
  readonly lastModified: Date;
  readonly revisionId: string;
  /** Of a new one: it can't be invoked before it is Active. */
  state: 'Pending' | 'Active';
  /** Of $LATEST, which can be invoked meanwhile. */
  lastUpdateStatus: 'InProgress' | 'Successful';
}

export interface FunctionUrl {
  readonly url: string;
  authType: 'NONE' | 'AWS_IAM';
  close(): Promise<void>;
}

/** Who may do something to one qualifier of a function. */
export interface Permission {
  readonly qualifier: string;
  readonly action: string;
  readonly principal: string;
  readonly functionUrlAuthType?: string;
  readonly invokedViaFunctionUrl?: boolean;
}

export type Functions = Map<string, LambdaFunction>;

export const LATEST = '$LATEST';

export function newVersion(version: string, code: FunctionCode, configuration: Configuration): FunctionVersion {
  return {
    version,
    code,
    configuration,
    lastModified: new Date(),
    revisionId: randomUUID(),
    state: 'Active',
    lastUpdateStatus: 'Successful',
  };
}

export function createFunction(
  functions: Functions,
  name: string,
  code: FunctionCode,
  configuration: Configuration,
): LambdaFunction {
  if (functions.has(name)) throw new AwsError(409, 'ResourceConflictException', `Function already exist: ${name}`);
  const latest: FunctionVersion = { ...newVersion(LATEST, code, configuration), state: 'Pending' };
  const made = {
    name,
    arn: functionArn(name),
    latest,
    versions: new Map(),
    aliases: new Map(),
    urls: new Map(),
    permissions: new Map(),
  };
  functions.set(name, made);
  return made;
}

/**
 * Publishes $LATEST; where the last version is no different, there is no new one. Throws an AwsError while it is being
 * updated.
 */
export function publishVersion(target: LambdaFunction, codeSha256: string | undefined): FunctionVersion {
  const { latest, versions, arn } = target;
  if (codeSha256 !== undefined && codeSha256 !== latest.code.sha256) {
    throw new AwsError(
      400,
      'InvalidParameterValueException',
      `CodeSHA256 (${codeSha256}) is different from current CodeSHA256 in $LATEST (${latest.code.sha256}). ` +
        'Please try again with the CodeSHA256 in $LATEST.',
    );
  }
  if (latest.state === 'Pending') throw conflict(`The function is currently in the following state: ${latest.state}`);
  if (latest.lastUpdateStatus === 'InProgress') throw conflict(`An update is in progress for resource: ${arn}`);
  const last = [...versions.values()].at(-1);
  if (last !== undefined && isSame(last, latest)) return last;
  const published: FunctionVersion = {
    ...newVersion(String(versions.size + 1), latest.code, latest.configuration),
    state: 'Pending',
  };
  versions.set(published.version, published);
  return published;
}

function isSame(a: FunctionVersion, b: FunctionVersion): boolean {
  return a.code.sha256 === b.code.sha256 && JSON.stringify(a.configuration) === JSON.stringify(b.configuration);
}

export function conflict(reason: string): AwsError {
  return new AwsError(409, 'ResourceConflictException', `The operation cannot be performed at this time. ${reason}`);
}

/** Throws an AwsError where there is none. */
export function functionNamed(functions: Functions, name: string): LambdaFunction {
  const found = functions.get(name);
  if (found === undefined) throw notFound(functionArn(name));
  return found;
}

/** What a version's number, an alias or `$LATEST` stands for. Throws an AwsError where it stands for nothing. */
export function versionOf(target: LambdaFunction, qualifier: string): FunctionVersion {
  const version = target.aliases.get(qualifier) ?? qualifier;
  const found = version === LATEST ? target.latest : target.versions.get(version);
  if (found === undefined) throw notFound(`${target.arn}:${qualifier}`);
  return found;
}

export function notFound(arn: string): AwsError {
  return new AwsError(404, 'ResourceNotFoundException', `Function not found: ${arn}`);
}

export function functionArn(name: string): string {
  return `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`;
}

/** The name and the qualifier in an ARN, or in a name. */
export function parseFunctionArn(arnOrName: string): { readonly name: string; readonly qualifier: string } {
  const [name, qualifier = LATEST] = arnOrName.replace(/^arn:aws:lambda:[^:]+:\d+:function:/, '').split(':');
  return { name, qualifier };
}
