// @ts-check
// Dropout for flat typed arrays, by the contract of torch.nn.Dropout:
//
//   import { Dropout, manualSeed } from './dropout.mjs';
//
//   manualSeed(1234);
//   const dropout = new Dropout(0.2);          // or new Dropout({ p: 0.2, inplace: true })
//   const y = dropout.forward(new Float32Array([1, 2, 3]));
//   dropout.eval().forward(y);                 // y itself
//
// In training each element is multiplied by noise: 0 with probability p, else 1 / (1 - p). As in PyTorch on the
// CPU, 1 - p is rounded to the type of the array and its reciprocal again, and a dropped element is x * 0: -0 for
// a negative x and NaN for one that is infinite or NaN.

import { Generator } from './generator.mjs';

/**
 * @typedef {Float32Array | Float64Array} Floats
 *
 * @typedef {object} Options
 * @property {number} [p] probability that an element is dropped, 0.5 by default
 * @property {boolean} [inplace] write the result to the input
 * @property {Generator} [generator] where random numbers come from; by default one that all layers share
 */

const sharedGenerator = new Generator();

/**
 * Seeds the generator that layers share by default.
 * @param {number | bigint} seed an integer from 0 to 2^64 - 1
 */
export function manualSeed(seed) {
  return sharedGenerator.manualSeed(seed);
}

/**
 * The factor of a kept element, each step rounded to the type of the values. PyTorch divides a mask of ones by
 * 1 - p, which is the reciprocal, and multiplies by that.
 * @param {number} p below 1
 * @param {Floats} values
 */
function keptScale(p, values) {
  return values instanceof Float32Array ? Math.fround(1 / Math.fround(1 - p)) : 1 / (1 - p);
}

export class Dropout {
  #p;
  #inplace;
  #generator;
  #training = true;
  /** @type {{ mask: Uint8Array, scale: number } | undefined} of the last forward pass; none: it was the identity */
  #noise;
  /** @type {number | undefined} elements of the last forward pass */
  #count;

  /** @param {number | Options} [options] p or options. Throws RangeError unless p is in [0, 1]. */
  constructor(options = {}) {
    const { p = 0.5, inplace = false, generator = sharedGenerator } =
      typeof options === 'number' ? { p: options } : options;
    if (typeof p !== 'number') throw new TypeError(`the dropout probability must be a number, not ${typeof p}`);
    if (!(p >= 0 && p <= 1)) {
      throw new RangeError(`dropout probability has to be between 0 and 1, but got ${p}`);
    }
    this.#p = p;
    this.#inplace = Boolean(inplace);
    this.#generator = generator;
  }

  get p() { return this.#p; }

  get inplace() { return this.#inplace; }

  get training() { return this.#training; }

  /**
   * Returns the layer.
   * @param {boolean} [mode]
   */
  train(mode = true) {
    this.#training = Boolean(mode);
    return this;
  }

  eval() {
    return this.train(false);
  }

  /**
   * The input itself in eval mode, for p = 0 and without elements; no number is drawn then, nor for p = 1.
   * Otherwise a new array, or the changed input when in place. The layer remembers the noise for backward.
   * @template {Floats} T
   * @param {T} x Throws TypeError unless it is a Float32Array or a Float64Array.
   * @returns {T}
   */
  forward(x) {
    if (!(x instanceof Float32Array || x instanceof Float64Array)) {
      throw new TypeError('dropout takes a Float32Array or a Float64Array');
    }
    this.#count = x.length;
    this.#noise = undefined;
    if (!this.#training || this.#p === 0 || x.length === 0) return x;
    this.#noise = { mask: this.#drawMask(x.length), scale: this.#p < 1 ? keptScale(this.#p, x) : 0 };
    return this.#multiplied(x, this.#inplace ? x : /** @type {T} */ (x.slice()));
  }

  /**
   * The gradient with respect to the input of the last forward pass: a new array, or dy itself where that pass
   * was the identity.
   * @template {Floats} T
   * @param {T} dy Throws an Error unless it has as many elements as the input of the last forward pass.
   * @returns {T}
   */
  backward(dy) {
    if (this.#count === undefined) throw new Error('backward needs a forward pass before it');
    if (dy.length !== this.#count) {
      throw new Error(`backward needs ${this.#count} elements, as the forward pass had, not ${dy.length}`);
    }
    return this.#noise === undefined ? dy : this.#multiplied(dy, /** @type {T} */ (dy.slice()));
  }

  /** @param {number} count */
  #drawMask(count) {
    const mask = new Uint8Array(count);
    if (this.#p === 1) return mask;
    const keepProbability = 1 - this.#p;
    for (let k = 0; k < count; k += 1) mask[k] = this.#generator.uniform() < keepProbability ? 1 : 0;
    return mask;
  }

  /**
   * @template {Floats} T
   * @param {T} values
   * @param {T} result may be `values`
   */
  #multiplied(values, result) {
    const { mask, scale } = /** @type {{ mask: Uint8Array, scale: number }} */ (this.#noise);
    for (let k = 0; k < values.length; k += 1) result[k] = values[k] * (mask[k] === 1 ? scale : 0);
    return result;
  }
}
