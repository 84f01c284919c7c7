/**
 * Which of the kernels under `/boot` is the newest. Compared here, not by `sort -V` on the server: that one puts
 * `427.el9` after `427.13.1.el9_4`, and rpm, whose kernels these are, does not.
 */

/** What is left of a `vmlinuz-…` file that is no kernel to boot by default. */
const notBootable = /rescue|\.old$|\.bak$|\.dpkg-|\.rpm(?:new|save)$|\.hmac$|\.sig$/;

/** From file names as they lie under `/boot`; empty where none of them is a kernel. */
export function newestKernelOf(fileNames: readonly string[]): string {
  const versions = fileNames
    .map((name) => name.slice(name.lastIndexOf('/') + 1))
    .filter((name) => name.startsWith('vmlinuz-') && !notBootable.test(name))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter((version) => /^\d/.test(version));
  return versions.toSorted(compareVersions).at(-1) ?? '';
}

/** As rpm compares: runs of digits by value, runs of letters by alphabet, digits after letters, `~` before the end. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [piecesOf(a), piecesOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = comparePieces(left[at], right[at]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A release candidate comes before its release, which kernel.org writes with a dash and packagers with a tilde. */
function piecesOf(version: string): string[] {
  return version.replaceAll(/-rc(?=\d)/g, '~rc').match(/\d+|[a-zA-Z]+|~/g) ?? [];
}

function comparePieces(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === '~') return -1;
  if (b === '~') return 1;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const [aIsNumber, bIsNumber] = [/^\d/.test(a), /^\d/.test(b)];
  if (aIsNumber !== bIsNumber) return aIsNumber ? 1 : -1;
  if (!aIsNumber) return a < b ? -1 : 1;
  const [x, y] = [BigInt(a), BigInt(b)];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}
