/** Amazon S3 in memory, addressed by path: which operation a request is, and how errors look. */
import type { Service } from '../front.ts';
import { AwsError, type AwsRequest } from '../message.ts';
import { xmlDocument } from '../xml.ts';
import { bucketOperations } from './bucket-operations.ts';
import { bucketArn, objectArn, type S3Operation, s3Call } from './call.ts';
import { multipartOperations } from './multipart-operations.ts';
import { objectOperations } from './object-operations.ts';
import type { Buckets } from './state.ts';

/** Those with a mark come before those of the same method without. */
const OPERATIONS: readonly S3Operation[] = [...multipartOperations, ...objectOperations, ...bucketOperations];

export function s3Service(buckets: Buckets): Service {
  return {
    errorCodes: { unknownKey: 'InvalidAccessKeyId', accessDenied: 'AccessDenied' },
    callOf(request, caller) {
      const [, bucketName, ...rest] = request.path.split('/').map(decodeURIComponent);
      const key = rest.join('/');
      const operation = operationOf(request, key === '' ? 'bucket' : 'object');
      return {
        operation: operation.name,
        permission:
          operation.action === null
            ? null
            : { action: operation.action, resource: key === '' ? bucketArn(bucketName) : objectArn(bucketName, key) },
        run: () => operation.run(s3Call({ buckets, request, caller, bucketName, key })),
      };
    },
    errorResponse({ status, code, message }, { method, path }) {
      const body =
        method === 'HEAD'
          ? ''
          : xmlDocument('Error', { Code: code, Message: message, Resource: path, RequestId: 'SLIMTEST' });
      return { status, headers: { 'content-type': 'application/xml' }, body };
    },
  };
}

/** Throws an AwsError where there is none: S3 knows more operations than this stand-in. */
function operationOf(request: AwsRequest, on: S3Operation['on']): S3Operation {
  const operation = OPERATIONS.find(
    (candidate) => candidate.method === request.method && candidate.on === on && isMarked(request, candidate.mark),
  );
  if (operation === undefined)
    throw new AwsError(
      501,
      'NotImplemented',
      'A header or query you provided implies functionality that is not implemented.',
    );
  return operation;
}

/**
 * An operation without a mark has no parameter without a value either, as in `?tagging`: that would be the mark of
 * another one.
 */
function isMarked({ query, headers }: AwsRequest, mark: string | undefined): boolean {
  return mark === undefined
    ? [...query.values()].every((value) => value !== '')
    : query.has(mark) || headers[mark] !== undefined;
}
