/** Shell text in a template: `$${…}` would be ours, so shell's own braces are written `\${…}` and come out as `${…}`. */
export function sh(text: TemplateStringsArray): string {
  return (text.raw[0] ?? '').replaceAll(String.raw`\$`, '$').replaceAll('\\`', '`');
}
