import { describe, expect, test } from 'vitest';
import { jsonPatch, mergePatch } from '../../../src/simulator/kubernetes/patch.ts';
import { strategicMerge } from '../../../src/simulator/kubernetes/strategic-merge.ts';

describe('JSON patch', () => {
  const target = { a: { b: [1, 2, 3] }, 'x/y': 1, '~': 2 };

  test.each([
    [[{ op: 'add', path: '/a/c', value: 9 }], { ...target, a: { b: [1, 2, 3], c: 9 } }],
    [[{ op: 'add', path: '/a/b/1', value: 9 }], { ...target, a: { b: [1, 9, 2, 3] } }],
    [[{ op: 'add', path: '/a/b/-', value: 9 }], { ...target, a: { b: [1, 2, 3, 9] } }],
    [[{ op: 'replace', path: '/a/b/0', value: 9 }], { ...target, a: { b: [9, 2, 3] } }],
    [[{ op: 'remove', path: '/a/b/0' }], { ...target, a: { b: [2, 3] } }],
    [[{ op: 'remove', path: '/x~1y' }], { a: target.a, '~': 2 }],
    [[{ op: 'replace', path: '/~0', value: 3 }], { ...target, '~': 3 }],
    [[{ op: 'copy', from: '/a/b', path: '/c' }], { ...target, c: [1, 2, 3] }],
    [[{ op: 'move', from: '/x~1y', path: '/z' }], { a: target.a, '~': 2, z: 1 }],
    [[{ op: 'test', path: '/a/b', value: [1, 2, 3] }], target],
  ])('%j', (patch, expected) => {
    const before = structuredClone(target);
    expect(jsonPatch(target, patch)).toEqual(expected);
    expect(target).toEqual(before);
  });

  test.each([
    [[{ op: 'test', path: '/a/b/0', value: 2 }]],
    [[{ op: 'test', path: '/missing', value: false }]],
    [[{ op: 'remove', path: '/missing' }]],
    [[{ op: 'replace', path: '/missing', value: 1 }]],
    [[{ op: 'add', path: '/missing/below', value: 1 }]],
    [[{ op: 'add', path: '/a/b/9', value: 1 }]],
    [[{ op: 'nonsense', path: '/a' }]],
  ])('%j is refused with 422', (patch) => {
    expect(() => jsonPatch(target, patch)).toThrow('the server rejected our request due to an error in our request');
  });
});

describe('merge patch', () => {
  test('null takes a field away, objects merge, lists are replaced', () => {
    const target = { a: 1, b: { c: 1, d: 2 }, l: [1, 2] };
    expect(mergePatch(target, { a: null, b: { c: 9 }, l: [3], n: { x: null, y: 1 } })).toEqual({
      b: { c: 9, d: 2 },
      l: [3],
      n: { y: 1 },
    });
  });
});

describe('strategic merge patch', () => {
  test('conditions are merged by type, new ones come first', () => {
    const target = { conditions: [{ type: 'Ready', status: 'True' }] };
    const patch = { conditions: [{ type: 'Drained', status: 'True' }] };
    expect(strategicMerge(target, patch)).toEqual({
      conditions: [
        { type: 'Drained', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    });
  });

  test('an untouched condition stays in front of the ones it stood in front of', () => {
    const target = { conditions: [{ type: 'A' }, { type: 'B', status: 'x' }, { type: 'C' }] };
    const patch = { conditions: [{ type: 'B', status: 'y' }] };
    expect(strategicMerge(target, patch)).toEqual({
      conditions: [{ type: 'A' }, { type: 'B', status: 'y' }, { type: 'C' }],
    });
  });

  test.each([
    [
      'an item is deleted by directive',
      { env: [{ name: 'a' }, { name: 'b' }] },
      { env: [{ name: 'a', $patch: 'delete' }] },
      { env: [{ name: 'b' }] },
    ],
    [
      'a list is replaced by directive',
      { env: [{ name: 'a' }] },
      { env: [{ $patch: 'replace' }, { name: 'c' }] },
      { env: [{ name: 'c' }] },
    ],
    [
      'owners are merged by uid',
      { ownerReferences: [{ uid: '1', name: 'x' }] },
      { ownerReferences: [{ uid: '1', controller: true }] },
      { ownerReferences: [{ uid: '1', name: 'x', controller: true }] },
    ],
    ['taints are one value', { taints: [{ key: 'a' }] }, { taints: [{ key: 'b' }] }, { taints: [{ key: 'b' }] }],
    ['null takes away', { unschedulable: true, a: 1 }, { unschedulable: null }, { a: 1 }],
    ['finalizers are a set', { finalizers: ['a', 'b'] }, { finalizers: ['b', 'c'] }, { finalizers: ['a', 'b', 'c'] }],
    [
      'members are deleted from a set',
      { finalizers: ['a', 'b'] },
      { '$deleteFromPrimitiveList/finalizers': ['a'] },
      { finalizers: ['b'] },
    ],
    ['order directives are no data', { a: 1 }, { '$setElementOrder/env': ['x'] }, { a: 1 }],
    ['an object is replaced by directive', { s: { a: 1 } }, { s: { $patch: 'replace', b: 2 } }, { s: { b: 2 } }],
  ])('%s', (_law, target, patch, expected) => {
    expect(strategicMerge(target, patch)).toEqual(expected);
  });
});
