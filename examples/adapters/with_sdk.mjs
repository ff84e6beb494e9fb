// A dropout with gradients, judged by dropcheck: dropcheck run --backend="exec:node with_sdk.mjs"
import { serve } from '../../adapters/node/dropcheck_adapter.mjs';

/**
 * Uniform numbers of [0, 1) with 53 bits from sfc32, a generator with 128 bits of state.
 * @param {number | bigint} seed
 */
function uniforms(seed) {
  const bits = BigInt(seed);
  let [a, b, c, counter] = [Number(bits & 0xffffffffn), Number(bits >> 32n), 0, 1];
  const next = () => {
    const word = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  for (let k = 0; k < 20; k += 1) next(); // until every bit of the state depends on every bit of the seed
  return () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}

/** A dropped element is multiplied by 0, so that NaN stays NaN and -1 becomes -0. */
const masked = ({ mask, scale }, values) => values.map((v, k) => v * (mask[k] === 1 ? scale : 0));

const claims = {
  name: 'with-sdk-node',
  dtypes: ['f32', 'f64'],
  seedSemantics: 'per_call',
  mask: true,
  backward: masked,
};

serve(claims, (x, { p, train, seed, dtype }) => {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`p must lie in [0, 1], not ${p}`);
  const saved = { mask: new Uint8Array(x.length).fill(1), scale: 1 };
  if (!train || p === 0) return { y: x, mask: saved.mask, saved };
  const uniform = uniforms(seed);
  const round = dtype === 'f32' ? Math.fround : (v) => v;
  saved.mask.forEach((_, k) => { saved.mask[k] = uniform() >= p ? 1 : 0; });
  saved.scale = p < 1 ? round(1 / round(1 - p)) : 0;
  return { y: masked(saved, x), mask: saved.mask, saved };
});
