// node --test adapters/node/example/
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Dropout, manualSeed } from './dropout.mjs';
import { Generator, philox } from './generator.mjs';

const ones = (count) => new Float32Array(count).fill(1);

/** Elements that are the number and its sign. */
const same = (left, right) => left.length === right.length && left.every((v, k) => Object.is(v, right[k]));

test('Philox gives the answers of the known-answer file of Random123', () => {
  const cases = [
    [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]],
  ];
  for (const [counter, [key0, key1], expected] of cases) {
    const words = Uint32Array.from(counter);
    philox(words, key0, key1);
    assert.deepEqual([...words], expected);
  }
});

test('a generator counts its blocks and keys them with the seed', () => {
  const generator = new Generator((5n << 32n) + 7n);
  for (let block = 0; block < 3; block += 1) {
    const expected = Uint32Array.of(block, 0, 0, 0);
    philox(expected, 7, 5);
    assert.deepEqual([0, 1, 2, 3].map(() => generator.word()), [...expected]);
  }
});

test('all 64 bits of a seed count, and others are refused', () => {
  const first = (seed) => new Generator(seed).word();
  const seeds = [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 1n << 63n, (1n << 64n) - 1n];
  assert.equal(new Set(seeds.map(first)).size, seeds.length);
  assert.equal(first(12), first(12n));
  for (const seed of [-1, 0.5, NaN, 2 ** 53, 1n << 64n, '1', null]) {
    assert.throws(() => new Generator(seed), RangeError);
  }
});

test('uniform numbers have 53 bits and lie below 1', () => {
  const generator = new Generator(1);
  let lowBit = 0;
  for (let k = 0; k < 10000; k += 1) {
    const scaled = generator.uniform() * 2 ** 53;
    assert.ok(Number.isInteger(scaled) && scaled >= 0 && scaled < 2 ** 53);
    lowBit += scaled % 2;
  }
  assert.ok(Math.abs(lowBit - 5000) < 500); // ten standard deviations
});

test('the constructor takes p or options, with the defaults of torch.nn.Dropout', () => {
  assert.equal(new Dropout().p, 0.5);
  assert.equal(new Dropout().inplace, false);
  assert.equal(new Dropout().training, true);
  assert.equal(new Dropout(0.25).p, 0.25);
  assert.equal(new Dropout({ p: 0.25, inplace: true }).p, 0.25);
  assert.equal(new Dropout({ inplace: true }).inplace, true);
});

test('p and inplace are read only', () => {
  const layer = new Dropout(0.25);
  assert.throws(() => { layer.p = 0.5; }, TypeError);
  assert.throws(() => { layer.inplace = true; }, TypeError);
  assert.equal(layer.p, 0.25);
});

test('a p outside [0, 1] is refused by the constructor', () => {
  for (const p of [-0.1, 1.1, NaN, Infinity, -Infinity]) {
    assert.throws(() => new Dropout(p), { name: 'RangeError', message: `dropout probability has to be between 0 and 1, but got ${p}` });
  }
  assert.throws(() => new Dropout({ p: '0.5' }), TypeError);
});

test('kept elements are scaled in the type of the array, dropped ones multiplied by 0', () => {
  const p = 0.3;
  const x = Float32Array.from({ length: 1000 }, (_, k) => (k - 500) / 7);
  const y = new Dropout(p).forward(x);
  const scale = Math.fround(1 / Math.fround(1 - p));
  const kept = x.map((v) => v * scale);
  const dropped = x.map((v) => v * 0);
  y.forEach((v, k) => assert.ok(Object.is(v, kept[k]) || Object.is(v, dropped[k])));
  assert.ok(y.some((v) => v > 0) && y.some((v) => Object.is(v, -0)) && y.some((v) => Object.is(v, 0)));
  const wide = new Dropout(p).forward(new Float64Array(1000).fill(3));
  assert.deepEqual([...new Set(wide)].sort(), [0, 3 * (1 / (1 - p))]);
});

test('a dropped infinity or NaN is NaN', () => {
  assert.ok(same(new Dropout(1).forward(Float32Array.of(Infinity, -Infinity, NaN)), Float32Array.of(NaN, NaN, NaN)));
});

test('p = 1 gives zeros with the sign of the input and draws nothing', () => {
  const generator = new Generator(3);
  const y = new Dropout({ p: 1, generator }).forward(Float32Array.of(2, -2));
  assert.ok(same(y, Float32Array.of(0, -0)));
  assert.equal(generator.word(), new Generator(3).word());
});

test('eval mode, p = 0 and an empty array give the input itself and draw nothing', () => {
  const generator = new Generator(3);
  const x = ones(10);
  const layer = new Dropout({ p: 0.5, generator });
  assert.equal(layer.eval().forward(x), x);
  assert.equal(layer.training, false);
  assert.equal(layer.backward(x), x);
  assert.equal(new Dropout({ p: 0, generator }).forward(x), x);
  assert.equal(new Dropout({ p: -0, generator }).forward(x), x);
  const empty = new Float32Array();
  assert.equal(layer.train().forward(empty), empty);
  assert.deepEqual([...x], [...ones(10)]);
  assert.equal(generator.word(), new Generator(3).word());
});

test('in place the input is changed and returned; otherwise it stays', () => {
  const x = ones(1000);
  const y = new Dropout({ p: 0.5, generator: new Generator(9) }).forward(x);
  assert.notEqual(y, x);
  assert.deepEqual(x, ones(1000));
  assert.equal(new Dropout({ p: 0.5, inplace: true, generator: new Generator(9) }).forward(x), x);
  assert.deepEqual(x, y);
});

test('a seed fixes the masks, and calls continue its stream', () => {
  const calls = () => [1, 2].map(() => new Dropout(0.5).forward(ones(100)));
  manualSeed(1);
  const first = calls();
  manualSeed(1);
  const second = calls();
  assert.deepEqual(first, second);
  assert.notDeepEqual(first[0], first[1]);
  manualSeed(2);
  assert.notDeepEqual(calls()[0], first[0]);
});

test('p and not 1 - p is dropped, at its rate', () => {
  const count = 100000;
  for (const p of [0.1, 0.5, 0.9, 0.999]) {
    const y = new Dropout({ p, generator: new Generator(17) }).forward(ones(count));
    const drops = y.filter((v) => v === 0).length;
    const deviation = Math.sqrt(count * p * (1 - p));
    assert.ok(Math.abs(drops - count * p) < 5 * deviation, `${drops} drops at p = ${p}`);
  }
});

test('the gradient has the noise of the forward pass, also where x is 0', () => {
  const layer = new Dropout({ p: 0.4, generator: new Generator(5) });
  layer.forward(new Float32Array(200));
  const dx = layer.backward(ones(200));
  assert.ok(same(dx, new Dropout({ p: 0.4, generator: new Generator(5) }).forward(ones(200))));
  assert.throws(() => layer.backward(ones(3)), /200 elements/);
  assert.throws(() => new Dropout(0.4).backward(ones(3)), /forward pass/);
});

test('other inputs are refused', () => {
  for (const x of [[1, 2], new Int32Array(2), undefined]) assert.throws(() => new Dropout(0.5).forward(x), TypeError);
});
