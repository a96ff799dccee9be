/** The report as one HTML file: nothing to load, no script. */
import { printable } from '../io/printable.ts';
import { VERSION } from '../version.ts';
import { attentionSection, type LookedAt } from './attention-section.ts';
import { type Html, html, verbatim } from './html.ts';
import { layersSection } from './layers-section.ts';
import { type Commands, provenanceSection } from './provenance-section.ts';
import { type Quality, qualitySection } from './quality-section.ts';
import { methodOf, type Stage } from './stages.ts';
import { STYLE } from './style.ts';
import type { Subject } from './subject.ts';
import { summarySection } from './summary-section.ts';
import { trainingSection } from './training-section.ts';

/** All that a report tells. */
export interface Report {
  readonly subjects: readonly Subject[];
  /** Of each subject. */
  readonly commands: readonly Commands[];
  readonly stages: readonly Stage[];
  readonly qualities: readonly Quality[];
  /** Why what remembers data was not judged. */
  readonly unjudged: readonly string[];
  readonly looks: readonly LookedAt[];
  /** Why what is given is not among what looks, a model each. */
  readonly unseen: readonly string[];
}

/** What a page has that is served while a run goes on, and a file has not. */
export interface PageOptions {
  /** Put before the end of the head. */
  readonly head?: Html;
}

/** The whole page. The same report gives the same bytes. */
export function reportPage(report: Report, options: PageOptions = {}): string {
  const { subjects, commands, stages, qualities, unjudged, looks, unseen } = report;
  const names = subjects.map(({ name }) => name).join(', ');
  const isOne = subjects.length === 1;
  const main = html`${summarySection(
    stages,
    subjects.map(({ path }) => path),
  )}
${trainingSection(subjects)}
${qualitySection(qualities, unjudged)}
${attentionSection(looks, unseen)}
${layersSection(subjects)}
${provenanceSection(subjects.map((subject, i) => [subject, commands[i]] as const))}`;
  const title = isOne ? names : `${subjects.length} models compared`;
  return documentOf(title, isOne ? lead(subjects[0]) : names, main, options);
}

/** A page of this title, what is said beneath it, and all else. */
export function documentOf(title: string, lead: string, main: Html, { head }: PageOptions = {}): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Slim report</title>
<link rel="icon" href="data:,">
<style>${verbatim(STYLE)}</style>${head ?? null}
</head>
<body>
<header><h1>${title}</h1><p>${lead}</p></header>
<main>
${main}
</main>
<footer>Made by slim report, Slim ${VERSION}.</footer>
</body>
</html>
`;
  // No text may turn the direction of what follows it, either.
  return printable(String(page));
}

/** What it is, in a line. */
function lead(subject: Subject): string {
  const { source, labels, record, quantized } = subject;
  const parts = [
    source === subject.name ? '' : `from ${source}`,
    quantized === null ? methodOf(subject) : `${methodOf(subject)}, ${quantized}`,
    labels.length === 0 ? '' : `${labels.length} ${labels.length === 1 ? 'label' : 'labels'}`,
    record !== null && record.status !== 'finished'
      ? `${record.status}, step ${record.steps.done} of ${record.steps.total}`
      : '',
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
