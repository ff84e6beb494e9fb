// Serves the dropout layer to dropcheck: dropcheck run --backend="exec:node adapters/node/example/adapter.mjs"
import { serve } from '../dropcheck_adapter.mjs';
import { Dropout, manualSeed } from './dropout.mjs';

const claims = {
  name: 'node-dropout',
  implementationVersion: '1.0',
  dtypes: ['f32', 'f64'],
  seedSemantics: 'stateful',
  inPlace: true,
  backward: (layer, dy) => layer.backward(dy),
  notes: ['Node has no dropout of its own: this is the example in adapters/node/example.'],
};

serve(claims, (x, { p, train, seed, inPlace }) => {
  const layer = new Dropout({ p, inplace: inPlace }).train(train);
  if (seed !== undefined) manualSeed(seed);
  return { y: layer.forward(x), saved: layer };
});
