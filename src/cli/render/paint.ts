/** Colours of the terminal. They repeat what the words say and never say anything by themselves. */

const codes = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
  alarm: '1;31',
} as const;
export type Style = keyof typeof codes;

export function paint(text: string, style: Style | undefined, color: boolean): string {
  return !color || style === undefined || text === '' ? text : `\u001B[${codes[style]}m${text}\u001B[0m`;
}
