/** Values of a template: intrinsic functions evaluated. */
import { type Json, type Template, validationError } from './template.ts';

/** What names stand for. */
export interface Scope {
  /** Of a parameter or a resource. */
  ref(name: string): Json;
  getAtt(resource: string, attribute: string): Json;
  condition(name: string): boolean;
}

/** What AWS::NoValue is: its property is left out. */
const NO_VALUE = Symbol('AWS::NoValue');
type Value = Json | typeof NO_VALUE;

/** Throws an AwsError for a function that is none of CloudFormation's, or of those that are not known here. */
export function evaluate(template: Json, scope: Scope): Json {
  const value = resolve(template, scope);
  return value === NO_VALUE ? null : value;
}

function resolve(template: Json, scope: Scope): Value {
  if (typeof template !== 'object' || template === null) return template;
  if (Array.isArray(template))
    return (template as Json[]).map((item) => resolve(item, scope)).filter((item): item is Json => item !== NO_VALUE);
  const entries: [string, Json][] = Object.entries(template);
  const [name, argument] = entries[0] ?? [];
  if (entries.length === 1 && (name === 'Ref' || name === 'Condition' || name.startsWith('Fn::')))
    return call(name, argument, scope);
  return Object.fromEntries(
    entries
      .map(([key, content]) => [key, resolve(content, scope)] as const)
      .filter((entry): entry is readonly [string, Json] => entry[1] !== NO_VALUE),
  );
}

function call(name: string, argument: Json, scope: Scope): Value {
  const items = (): readonly Json[] => (argument as readonly Json[]).map((item) => evaluate(item, scope));
  switch (name) {
    case 'Ref':
      return argument === 'AWS::NoValue' ? NO_VALUE : scope.ref(argument as string);
    case 'Condition':
      return scope.condition(argument as string);
    case 'Fn::GetAtt':
      return scope.getAtt(...(argument as [string, string]));
    case 'Fn::Sub':
      return substitute(argument, scope);
    case 'Fn::Join':
      return (items()[1] as readonly Json[]).join(items()[0] as string);
    case 'Fn::Equals':
      return String(items()[0]) === String(items()[1]);
    case 'Fn::And':
      return items().every(Boolean);
    case 'Fn::Or':
      return items().some(Boolean);
    case 'Fn::Not':
      return !items()[0];
    case 'Fn::If': {
      const [condition, then, otherwise] = argument as [string, Json, Json];
      return resolve(scope.condition(condition) ? then : otherwise, scope);
    }
    default:
      throw validationError(`Template error: ${name} is not a function that this stand-in for CloudFormation knows`);
  }
}

function substitute(argument: Json, scope: Scope): string {
  const [text, own] = (Array.isArray(argument) ? argument : [argument, {}]) as [string, Record<string, Json>];
  return text.replace(/\$\{([^}]+)\}/g, (_, name: string) => {
    if (name.startsWith('!')) return `\${${name.slice(1)}}`;
    if (name in own) return String(evaluate(own[name], scope));
    const [resource, ...attribute] = name.split('.');
    return String(attribute.length > 0 ? scope.getAtt(resource, attribute.join('.')) : scope.ref(name));
  });
}

/** Whether a template's condition holds. */
export function conditionHolds({ Conditions }: Template, name: string, ref: Scope['ref']): boolean {
  const condition = (other: string): boolean =>
    evaluate(Conditions[other], {
      ref,
      condition,
      getAtt: () => {
        throw validationError('Template error: conditions refer to parameters only');
      },
    }) as boolean;
  return condition(name);
}
