// ADAPTER_NAME, to be judged by dropcheck. Replace what the function does by a call of your own.
import { serve } from './dropcheck_adapter.mjs';

// Math.random takes no seed. With seeds of your own write 'per_call', and the function gets one in each call.
const claims = { name: 'ADAPTER_NAME', dtypes: ['f32'], seedSemantics: 'none' };

// x is a Float32Array.
serve(claims, (x, { p, train }) => {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`p must lie in [0, 1], not ${p}`);
  if (!train || p === 0) return x;
  const scale = p < 1 ? Math.fround(1 / Math.fround(1 - p)) : 0;
  return x.map((v) => v * (Math.random() >= p ? scale : 0));
});
