/** Who may do what: access keys and the policies that limit them. */

export interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that a role gives out. */
  readonly sessionToken?: string;
  readonly account: string;
  readonly arn: string;
  readonly policies: readonly PolicyDocument[];
}

export interface PolicyDocument {
  readonly Statement: Statement | readonly Statement[];
}

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}

/** Whose resources are here, and where they are. */
export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';

export const ADMINISTRATOR: PolicyDocument = { Statement: { Effect: 'Allow', Action: '*', Resource: '*' } };

/** Whether policies allow an action (`s3:GetObject`) on a resource (an ARN): some statement does and none denies it. */
export function allows({ policies }: Pick<Identity, 'policies'>, action: string, resource: string): boolean {
  const effects = policies
    .flatMap(({ Statement }) => Statement)
    .filter((statement) => applies(statement, action, resource))
    .map(({ Effect }) => Effect);
  return effects.includes('Allow') && !effects.includes('Deny');
}

/** Throws where a statement has a condition: none is understood. */
function applies({ Action, Resource, Condition }: Statement, action: string, resource: string): boolean {
  if (Condition !== undefined)
    throw new Error('a policy has a Condition, which this stand-in for IAM does not understand');
  return (
    [Action].flat().some((pattern) => matches(pattern, action, 'i')) &&
    [Resource].flat().some((pattern) => matches(pattern, resource, ''))
  );
}

/** `*` stands for any text and `?` for any character. */
function matches(pattern: string, text: string, flags: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, `s${flags}`).test(text);
}
