/** What CloudFormation knows of a type of resources. */
import { randomBytes } from 'node:crypto';
import type { AwsError } from '../message.ts';

/** A resource that is there. */
export interface Physical {
  /** What Ref gives. */
  readonly id: string;
  /** What Fn::GetAtt gives. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Where in a template a resource belongs. */
export interface Place {
  readonly stackName: string;
  readonly logicalId: string;
}

/** All may throw an AwsError, as the service does. */
export interface ResourceType {
  /** The service's name in errors. */
  readonly service: string;
  /** Properties that can't change: another value needs another resource. Null: none can. */
  readonly fixed: readonly string[] | null;
  /** Whether it has the stack's tags. */
  readonly tagged: boolean;
  create(properties: object, place: Place): Promise<Physical>;
  /** Brings it to these properties; no fixed one is different. */
  update(physical: Physical, properties: object): Promise<Physical>;
  delete(physical: Physical): Promise<void>;
}

/** By name: `AWS::Lambda::Function`. */
export type ResourceTypes = Readonly<Record<string, ResourceType>>;

/** A name for a resource that has none of its own. */
export function generatedName({ stackName, logicalId }: Place): string {
  return `${stackName}-${logicalId}-${randomBytes(6).toString('hex')}`;
}

/** Why something failed, as CloudFormation tells it. */
export function failureReason({ service }: ResourceType, { message, status }: AwsError): string {
  const code = status === 404 ? 'NotFound' : status === 409 ? 'AlreadyExists' : 'InvalidRequest';
  return (
    `Resource handler returned message: "${message} ` +
    `(Service: ${service}, Status Code: ${status}, Request ID: slim-test)" ` +
    `(RequestToken: slim-test, HandlerErrorCode: ${code})`
  );
}
