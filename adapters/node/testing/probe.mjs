// An adapter for tests: says in facts what it was asked, and behaves as p tells it to.
import { InvalidArgument, Unsupported, serve } from '../dropcheck_adapter.mjs';

let calls = 0;

function misbehave(p) {
  if (p === 2) throw new InvalidArgument('refused');
  if (p === 3) throw new Unsupported('cannot do this');
  if (p === 4) throw new Error('broken');
  if (p === 5) throw new RangeError('Array buffer allocation failed');
  if (p === 8) throw new RangeError('refused by range');
}

const claims = {
  name: 'probe',
  dtypes: ['f32', 'f64'],
  seedSemantics: 'stateful',
  backward: (saved, dy) => dy.map((v) => v * saved),
  mask: true,
  inPlace: true,
  threads: true,
  offsetUnit: 'calls',
  features: ['rng_words', 'effective_rate'],
};

serve(claims, (x, { p, train, seed, inPlace, threads, offset, save }) => {
  console.log('noise from the kernel');
  process.stdout.write('{"seq":-1}\n');
  misbehave(p);
  if (p === 6) return undefined;
  if (p === 7) return x;
  calls = seed === undefined ? calls + 1 : 0;
  const y = x.map((v) => 2 * v);
  if (inPlace) x.set(y);
  const shown = Object.is(p, -0) ? '-0.0' : String(p);
  const facts = {
    p: shown, train: String(train), seed: String(seed ?? 'None'), calls: String(calls),
    threads: String(threads || 'None'), offset: String(offset), input: '',
  };
  return {
    y, mask: Array.from(x, (_, k) => k % 3 !== 0), saved: save ? 3 : undefined, facts,
    rngWords: x.length, effectiveP: 0.25, warnings: ['a warning'],
  };
});
