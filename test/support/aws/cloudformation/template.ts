/** A CloudFormation template in JSON, checked when it is read. */
import { AwsError } from '../message.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface Template {
  readonly Parameters: Readonly<Record<string, TemplateParameter>>;
  readonly Conditions: Readonly<Record<string, Json>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs: Readonly<Record<string, TemplateOutput>>;
}

export interface TemplateParameter {
  readonly Type: 'String' | 'Number';
  readonly Default?: string | number;
  readonly NoEcho?: boolean | string;
  readonly AllowedValues?: readonly (string | number)[];
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Json;
  readonly Condition?: string;
  readonly DependsOn?: string | readonly string[];
  readonly DeletionPolicy?: 'Delete' | 'Retain';
}

export interface TemplateOutput {
  readonly Value: Json;
  readonly Condition?: string;
  readonly Description?: string;
}

export function validationError(message: string): AwsError {
  return new AwsError(400, 'ValidationError', message);
}

/** Throws an AwsError where it is no template, or names what it does not have. */
export function parseTemplate(body: string, knownTypes: readonly string[]): Template {
  let parsed: Partial<Template>;
  try {
    parsed = JSON.parse(body) as Partial<Template>;
  } catch (error) {
    throw validationError(`Template format error: JSON not well-formed. (${(error as Error).message})`);
  }
  const template: Template = { Parameters: {}, Conditions: {}, Resources: {}, Outputs: {}, ...parsed };
  checkTypes(template, knownTypes);
  checkNames(template);
  return template;
}

function checkTypes({ Resources }: Template, knownTypes: readonly string[]): void {
  if (Object.keys(Resources).length === 0)
    throw validationError('Template format error: At least one Resources member must be defined.');
  const unknown = Object.values(Resources)
    .map(({ Type }) => Type)
    .filter((type) => !knownTypes.includes(type));
  if (unknown.length > 0)
    throw validationError(`Template format error: Unrecognized resource types: [${unknown.join(', ')}]`);
}

function checkNames(template: Template): void {
  const { Parameters, Conditions, Resources, Outputs } = template;
  for (const [part, values] of [
    ['Resources', Object.values(Resources)],
    ['Outputs', Object.values(Outputs).map(({ Value }) => Value)],
  ] as const) {
    const unknown = (values as Json[])
      .flatMap((value) => [...referencesOf(value)])
      .filter((name) => !(name in Resources || name in Parameters || name.startsWith('AWS::')));
    if (unknown.length > 0)
      throw validationError(
        `Template format error: Unresolved resource dependencies [${[...new Set(unknown)].join(', ')}] ` +
          `in the ${part} block of the template`,
      );
  }
  for (const { Condition } of [...Object.values(Resources), ...Object.values(Outputs)]) {
    if (Condition !== undefined && !(Condition in Conditions))
      throw validationError(`Template format error: Unresolved condition dependency ${Condition}`);
  }
}

/** The names of parameters and resources within a value: of Ref, Fn::GetAtt and Fn::Sub. */
export function referencesOf(value: Json): Set<string> {
  if (typeof value !== 'object' || value === null) return new Set();
  if (Array.isArray(value)) return new Set(value.flatMap((item: Json) => [...referencesOf(item)]));
  return new Set(
    Object.entries(value).flatMap(([name, content]: [string, Json]) => {
      if (name === 'Ref') return [content as string];
      if (name === 'Fn::GetAtt') return [(content as readonly string[])[0]];
      return [...(name === 'Fn::Sub' ? namesInText(content) : []), ...referencesOf(content)];
    }),
  );
}

/** A text with `${NAME}` and `${NAME.ATTRIBUTE}`, alone or in a list with names of its own. */
function namesInText(content: Json): string[] {
  const [text, own] = (Array.isArray(content) ? content : [content, {}]) as [string, object];
  return [...text.matchAll(/\$\{([^!}.]+)[^}]*\}/g)].map(([, name]) => name).filter((name) => !(name in own));
}

/** Resources such that each comes after those that it refers to. Throws an AwsError where they go in a circle. */
export function creationOrder({ Resources }: Template): string[] {
  const order: string[] = [];
  const visit = (id: string, above: readonly string[]): void => {
    if (order.includes(id) || !(id in Resources)) return;
    if (above.includes(id)) throw validationError(`Circular dependency between resources: [${above.join(', ')}]`);
    const { Properties = {}, DependsOn = [] } = Resources[id];
    for (const needed of [...[DependsOn].flat(), ...referencesOf(Properties)]) visit(needed, [...above, id]);
    order.push(id);
  };
  for (const id of Object.keys(Resources)) visit(id, []);
  return order;
}
