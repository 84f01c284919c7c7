import { describe, expect, it } from 'vitest';
import { newestKernelOf } from '../../../src/adapters/ssh/kernel-versions.ts';

describe('the newest kernel', () => {
  it.each([
    ['numbers count by value', ['6.1.0-9-amd64', '6.1.0-18-amd64'], '6.1.0-18-amd64'],
    [
      'a rebuild is newer than its release',
      ['5.14.0-427.el9.x86_64', '5.14.0-427.13.1.el9_4.x86_64'],
      '5.14.0-427.13.1.el9_4.x86_64',
    ],
    ['a release is newer than its candidate', ['6.12.0', '6.12.0-rc3'], '6.12.0'],
    ['a tilde comes before the end', ['6.12~rc1-amd64', '6.12-amd64'], '6.12-amd64'],
    ['a rescue image is none', ['6.1.0-9-amd64', '0-rescue-e2f1'], '6.1.0-9-amd64'],
    ['what a package manager puts aside is none', ['5.15.0-1', '6.1.0-9.old', '6.1.0-9.dpkg-new'], '5.15.0-1'],
    ['order on the disk means nothing', ['5.15.0-100', '5.15.0-91', '5.15.0-94'], '5.15.0-100'],
    ['nothing there', [], ''],
  ])('%s', (_, versions, expected) => {
    expect(newestKernelOf(versions.map((version) => `vmlinuz-${version}`))).toBe(expected);
  });

  it('is looked for among kernels only', () => {
    expect(newestKernelOf(['vmlinuz', 'initrd.img-9.0.0', 'System.map-9.0.0', 'vmlinuz-6.1.0-9-amd64'])).toBe(
      '6.1.0-9-amd64',
    );
  });
});
