import type { DatasetOptions } from '../split.ts';
export interface TextRow { readonly text: string; readonly pair: string | null; readonly label: number }
export interface TextRows { readonly size: number; rows(): AsyncIterable<TextRow> }
export interface TextColumns { readonly textColumn?: string; readonly textPairColumn?: string; readonly labelColumn?: string }
export interface TextDataset { readonly kind: 'text'; readonly name: string; readonly labels: readonly string[]; readonly train: TextRows; readonly test: TextRows; readonly skipped: number; readonly columns: unknown; readonly notices: readonly string[] }
export async function looksLikeText(_path: string): Promise<boolean> { return false; }
export async function openTextDataset(_path: string, _options: DatasetOptions & Partial<TextColumns>): Promise<TextDataset> { throw new Error('stub'); }
