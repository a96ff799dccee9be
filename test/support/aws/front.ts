/** The one endpoint of all services: tells them apart, and lets nobody pass without a signature and a permission. */
import { cutResponse, type Fault, sendResponse } from './faults.ts';
import { allows, type Identity } from './identity.ts';
import { type LoopbackServer, serveLoopback } from './loopback.ts';
import { AwsError, type AwsRequest, type AwsResponse, readRequest } from './message.ts';
import { signatureOf, verifySignature } from './sigv4.ts';

export interface Caller {
  readonly identity: Identity;
  readonly region: string;
}

/** What a request asks of a service. */
export interface Call {
  readonly operation: string;
  /** What the caller's policies must allow; null for what everybody may. */
  readonly permission: { readonly action: string; readonly resource: string } | null;
  run(caller: Caller): AwsResponse | Promise<AwsResponse>;
}

export interface Service {
  /** Throws an AwsError where the service knows no such call. */
  callOf(request: AwsRequest, caller: Caller): Call;
  errorResponse(error: AwsError, request: AwsRequest): AwsResponse;
  /** How it names what is wrong with a caller. */
  readonly errorCodes: { readonly unknownKey: string; readonly accessDenied: string };
}

export interface FrontOptions {
  readonly services: Readonly<Record<string, Service>>;
  readonly identityOf: (accessKeyId: string) => Identity | undefined;
  /** Told of every request whose signature is good, and says what is to go wrong with it. */
  readonly onRequest: (service: string, operation: string) => Fault | null;
}

export function serveFront({ services, identityOf, onRequest }: FrontOptions): Promise<LoopbackServer> {
  async function answer(
    request: AwsRequest,
  ): Promise<{ readonly response: AwsResponse; readonly cut: boolean } | 'drop' | 'timeout'> {
    const signature = signatureOf(request);
    const name = signature?.service ?? 's3'; // only S3 has requests that nobody signs
    const service = services[name];
    if (service === undefined) throw new Error(`there is no stand-in for AWS's service ${name}`);
    try {
      if (signature === null) throw new AwsError(403, service.errorCodes.accessDenied, 'Access Denied');
      const identity = identityOf(signature.accessKeyId);
      if (identity === undefined)
        throw new AwsError(
          403,
          service.errorCodes.unknownKey,
          'The access key Id you provided does not exist in our records.',
        );
      verifySignature(request, signature, identity);
      const caller = { identity, region: signature.region };
      const call = service.callOf(request, caller);
      const fault = onRequest(name, call.operation);
      if (fault?.kind === 'status') throw new AwsError(fault.status, fault.code, 'A fault that a test asked for');
      if (fault?.kind === 'drop' || fault?.kind === 'timeout') return fault.kind;
      if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
      authorize(identity, call, service);
      return { response: await call.run(caller), cut: fault?.kind === 'cut' };
    } catch (error) {
      if (error instanceof AwsError) return { response: service.errorResponse(error, request), cut: false };
      throw error;
    }
  }

  return serveLoopback(async (incoming, outgoing) => {
    const answered = await answer(await readRequest(incoming));
    if (answered === 'drop') outgoing.destroy();
    else if (answered !== 'timeout') (answered.cut ? cutResponse : sendResponse)(outgoing, answered.response);
  });
}

function authorize(identity: Identity, { permission }: Call, { errorCodes }: Service): void {
  if (permission === null || allows(identity, permission.action, permission.resource)) return;
  const { action, resource } = permission;
  throw new AwsError(
    403,
    errorCodes.accessDenied,
    `User: ${identity.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
      `because no identity-based policy allows the ${action} action`,
  );
}
