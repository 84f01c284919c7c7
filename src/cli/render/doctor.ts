/** What `doctor` found: one line per subject, and below it what to do where something is not ok. Pure. */
import type { Finding } from '../../engine/operations.ts';
import { paint } from './paint.ts';
import { byName, clean, pad, plural, widthOf, wrapSegments, type View } from './text.ts';

const areas = ['documents', 'kubernetes', 'redis', 'movers', 'server'] as const satisfies Finding['area'][];

export function renderDoctor(findings: readonly Finding[], view: View): string {
  if (findings.length === 0) return 'nothing was looked at';
  const sorted = [...findings].sort(
    (a, b) => areas.indexOf(a.area) - areas.indexOf(b.area) || byName(a.subject, b.subject),
  );
  const subjectWidth = Math.min(24, Math.max(...sorted.map(({ subject }) => widthOf(clean(subject)))));
  const lines = sorted.flatMap((finding) => findingLines(finding, subjectWidth, view));
  return [...lines, summaryOf(findings)].join('\n');
}

/** ` rack3-04  no  …`: the word says it, the colour repeats it. */
function findingLines(finding: Finding, subjectWidth: number, view: View): string[] {
  const lead = ` ${pad(clean(finding.subject), subjectWidth)}  `;
  const text = clean(finding.text);
  const next = finding.ok || !finding.next ? [] : [`next: ${clean(finding.next)}`];
  const room = view.width - widthOf(lead) - 4;
  const [first = '', ...rest] = [text, ...next].flatMap((part) => wrapSegments(part.split(' · '), '', room));
  const word = finding.ok ? paint('ok', 'green', view.color) : paint('no', 'alarm', view.color);
  const indent = ' '.repeat(widthOf(lead) + 4);
  return [`${lead}${word}  ${first}`, ...rest.map((line) => indent + line)];
}

function summaryOf(findings: readonly Finding[]): string {
  const servers = findings.filter(({ area }) => area === 'server');
  const bySubject = new Map<string, boolean>();
  for (const { subject, ok } of servers) bySubject.set(subject, ok && (bySubject.get(subject) ?? true));
  const ready = [...bySubject.values()].filter(Boolean).length;
  const others = findings.filter(({ area, ok }) => area !== 'server' && !ok).length;
  return [
    `${plural(ready, 'server')} ready`,
    bySubject.size > ready ? plural(bySubject.size - ready, 'needs attention', 'need attention') : '',
    others > 0 ? `${plural(others, 'other finding')} to look at` : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}
