/**
 * Services that take forms and answer XML: AWS's Query protocol (smithy.io/2.0/aws/protocols/aws-query-protocol.html).
 */
import type { Caller, Service } from './front.ts';
import { AwsError, type AwsResponse } from './message.ts';
import { type XmlElements, xmlDocument } from './xml.ts';

export interface QueryOperation {
  /** The ARN that the caller must be allowed to do this to; null where everybody may. */
  resource(parameters: URLSearchParams, caller: Caller): string | null;
  run(parameters: URLSearchParams, caller: Caller): XmlElements | void;
}

/** A service of operations by name. Its actions in IAM are `PREFIX:NAME`. */
export function queryService(
  prefix: string,
  namespace: string,
  operations: Readonly<Record<string, QueryOperation>>,
): Service {
  return {
    errorCodes: { unknownKey: 'InvalidClientTokenId', accessDenied: 'AccessDenied' },
    callOf({ body }, caller) {
      const parameters = new URLSearchParams(body.toString());
      const name = parameters.get('Action') ?? '';
      const operation = operations[name];
      if (operation === undefined) throw new AwsError(400, 'InvalidAction', `Could not find operation ${name}`);
      const resource = operation.resource(parameters, caller);
      return {
        operation: name,
        permission: resource === null ? null : { action: `${prefix}:${name}`, resource },
        run: () =>
          response(
            `${name}Response`,
            {
              [`${name}Result`]: operation.run(parameters, caller) ?? {},
              ResponseMetadata: { RequestId: 'slim-test' },
            },
            namespace,
          ),
      };
    },
    errorResponse: ({ status, code, message }) => ({
      ...response(
        'ErrorResponse',
        { Error: { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message }, RequestId: 'slim-test' },
        namespace,
      ),
      status,
    }),
  };
}

function response(root: string, content: XmlElements, namespace: string): AwsResponse {
  return { status: 200, headers: { 'content-type': 'text/xml' }, body: xmlDocument(root, content, namespace) };
}
