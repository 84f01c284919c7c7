import { describe, expect, it } from 'vitest';
import { AfterMark, Output, Said } from '../../../src/adapters/ssh/answers.ts';

/** Every way to cut a text into three pieces. */
function* cuts(text: string): Generator<Buffer[]> {
  const bytes = Buffer.from(text);
  for (let first = 0; first <= bytes.length; first += 1) {
    for (let second = first; second <= bytes.length; second += 1) {
      yield [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
    }
  }
}

describe('the answer of one execution', () => {
  it('begins after the mark, wherever the wire cuts it', () => {
    let looked = 0;
    for (const pieces of cuts('motd\nma\nmark\nmark\nend')) {
      let seen = '';
      const after = new AfterMark('mark\n', (chunk) => void (seen += chunk.toString()));
      for (const piece of pieces) after.add(piece);
      expect(seen).toBe('mark\nend');
      looked += 1;
    }
    expect(looked).toBeGreaterThan(100);
  });

  it('keeps characters whole, wherever the wire cuts them', () => {
    let looked = 0;
    for (const pieces of cuts('aä€😀')) {
      const output = new Output(100);
      for (const piece of pieces) output.add(piece);
      expect(output.bytes).toBe(10);
      expect(output.finish()).toBe('aä€😀');
      looked += 1;
    }
    expect(looked).toBeGreaterThan(50);
  });

  it('hands on whole lines, wherever the wire cuts them, and at the end what is left', () => {
    let looked = 0;
    for (const pieces of cuts('one\ntwo\r10%\rend')) {
      const texts: string[] = [];
      const output = new Output(100, (text) => texts.push(text));
      for (const piece of pieces) output.add(piece);
      expect(texts.every((text) => /[\n\r]$/.test(text))).toBe(true);
      expect(output.finish()).toBe('one\ntwo\r10%\rend');
      expect(texts.join('')).toBe('one\ntwo\r10%\rend');
      looked += 1;
    }
    expect(looked).toBeGreaterThan(100);
  });

  it('does not wait for ever for the end of a line', () => {
    const texts: string[] = [];
    const output = new Output(100, (text) => texts.push(text));
    for (let piece = 0; piece < 100; piece += 1) output.add(Buffer.from('x'.repeat(1_000)));
    expect(texts.length).toBeGreaterThan(5);
    expect(output.finish()).toHaveLength(100);
  });

  it('tells what the runner says from what others say', () => {
    const said = new Said('n1', () => undefined);
    said.add(Buffer.from('warning: old\nn1 claimed\nn1 exi'));
    expect(said.claimed).toBe(true);
    expect(said.last()).toEqual([]);
    said.add(Buffer.from('ted 3 thisBoot\nn2 lost\n'));
    expect(said.last()).toEqual(['exited', '3', 'thisBoot']);
    expect(said.others()).toBe('warning: old n2 lost');
  });
});
