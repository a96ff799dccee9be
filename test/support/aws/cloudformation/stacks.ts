/** What CloudFormation keeps. */
import { randomUUID } from 'node:crypto';
import { ACCOUNT, REGION } from '../identity.ts';
import type { ResourceChange } from './changes.ts';
import type { Parameters } from './parameters.ts';
import type { Physical } from './resource-type.ts';
import type { Json, Template } from './template.ts';

export interface Stack {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  updatedAt: Date | null;
  deletedAt: Date | null;
  status: string;
  statusReason: string | null;
  /** What it was last brought to. */
  current: Desired;
  /** By logical id. */
  readonly resources: Map<string, StackResource>;
  outputs: readonly StackOutput[];
  /** In order. */
  readonly events: StackEvent[];
  /** By name. */
  readonly changeSets: Map<string, ChangeSet>;
  /** What goes on after clients got their answers. */
  work: Promise<unknown>;
}

/** What a stack is to be. */
export interface Desired {
  readonly templateBody: string;
  readonly template: Template;
  readonly parameters: Parameters;
  readonly tags: Tags;
  readonly capabilities: readonly string[];
}

export type Tags = Readonly<Record<string, string>>;

export interface StackResource {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: Json;
  readonly physical: Physical;
  readonly retained: boolean;
}

export interface StackOutput {
  readonly OutputKey: string;
  readonly OutputValue: string;
  readonly Description: string | undefined;
}

export interface StackEvent {
  readonly id: string;
  readonly logicalId: string;
  readonly physicalId: string;
  readonly type: string;
  readonly timestamp: Date;
  readonly status: string;
  readonly reason: string | null;
}

export interface ChangeSet {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly desired: Desired;
  readonly changes: readonly ResourceChange[];
  status: 'CREATE_IN_PROGRESS' | 'CREATE_COMPLETE' | 'FAILED';
  statusReason: string | null;
  executionStatus: 'UNAVAILABLE' | 'AVAILABLE' | 'EXECUTE_IN_PROGRESS' | 'EXECUTE_COMPLETE' | 'EXECUTE_FAILED';
}

const NOTHING: Desired = {
  templateBody: '',
  template: { Parameters: {}, Conditions: {}, Resources: {}, Outputs: {} },
  parameters: {},
  tags: {},
  capabilities: [],
};

/** A stack that has a change set and nothing else. */
export function newStack(name: string): Stack {
  const stack: Stack = {
    id: `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${name}/${randomUUID()}`,
    name,
    createdAt: new Date(),
    updatedAt: null,
    deletedAt: null,
    status: '',
    statusReason: null,
    current: NOTHING,
    resources: new Map(),
    outputs: [],
    events: [],
    changeSets: new Map(),
    work: Promise.resolve(),
  };
  setStatus(stack, 'REVIEW_IN_PROGRESS', 'User Initiated');
  return stack;
}

/** By id, deleted ones too, or by name. */
export function findStack(stacks: readonly Stack[], nameOrId: string): Stack | undefined {
  return stacks.find(({ id, name, status }) => id === nameOrId || (name === nameOrId && status !== 'DELETE_COMPLETE'));
}

/** Whether it is being changed. */
export function isBusy({ status }: Stack): boolean {
  return status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS';
}

/** Lets work go on beside what goes on already. */
export function goOn(stack: Stack, work: Promise<unknown>): void {
  stack.work = Promise.all([stack.work, work]);
}

export function setStatus(stack: Stack, status: string, reason: string | null = null): void {
  stack.status = status;
  stack.statusReason = reason;
  addEvent(stack, { logicalId: stack.name, physicalId: stack.id, type: 'AWS::CloudFormation::Stack', status, reason });
}

export function addEvent(stack: Stack, event: Omit<StackEvent, 'id' | 'timestamp'>): void {
  stack.events.push({ ...event, id: randomUUID(), timestamp: new Date() });
}
