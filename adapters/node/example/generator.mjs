// @ts-check
// Random numbers for the dropout layer: Philox4x32-10, a counter-based generator.
//
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC11). The seed
// is the 64-bit key and the counter goes up by one for every block of four 32-bit words, so that two seeds never
// share a stream and a stream repeats after 2^130 words.

const multipliers = [0xd2511f53, 0xcd9e8d57];
const keySteps = [0x9e3779b9, 0xbb67ae85]; // golden ratio and sqrt(3) - 1, in 32 bits
const rounds = 10;

/**
 * The high 32 bits of the product of two unsigned 32-bit integers.
 * @param {number} a
 * @param {number} b
 */
function highProduct(a, b) {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16); // below 2^32, as is every product and sum here
  const other = a0 * b1 + (middle & 0xffff);
  return a1 * b1 + (middle >>> 16) + (other >>> 16);
}

/**
 * One block: writes four words over the counter.
 * @param {Uint32Array} counter four words, the lowest first
 * @param {number} key0
 * @param {number} key1
 */
export function philox(counter, key0, key1) {
  for (let round = 0; round < rounds; round += 1) {
    const high0 = highProduct(multipliers[0], counter[0]);
    const low0 = Math.imul(multipliers[0], counter[0]);
    const high1 = highProduct(multipliers[1], counter[2]);
    const low1 = Math.imul(multipliers[1], counter[2]);
    counter[0] = high1 ^ counter[1] ^ key0;
    counter[1] = low1;
    counter[2] = high0 ^ counter[3] ^ key1;
    counter[3] = low0;
    key0 = (key0 + keySteps[0]) | 0;
    key1 = (key1 + keySteps[1]) | 0;
  }
}

/** A stream of random numbers that a seed starts. */
export class Generator {
  #key = [0, 0];
  #counter = new Uint32Array(4);
  #words = new Uint32Array(4);
  #next = 4; // of #words; 4: all are used

  /** @param {number | bigint} [seed] by default one from the clock */
  constructor(seed = process.hrtime.bigint()) {
    this.manualSeed(seed);
  }

  /**
   * Starts the stream of a seed. Returns the generator.
   * @param {number | bigint} seed an integer from 0 to 2^64 - 1; as a number at most 2^53 - 1. Throws RangeError
   *     for others, so that no two seeds are taken for one.
   */
  manualSeed(seed) {
    const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed);
    if (!isInteger || seed < 0 || BigInt(seed) >= 1n << 64n) {
      throw new RangeError(`a seed must be an integer from 0 to 2^64 - 1, a BigInt above 2^53 - 1, not ${seed}`);
    }
    this.#key = [Number(BigInt(seed) & 0xffffffffn), Number(BigInt(seed) >> 32n)];
    this.#counter.fill(0);
    this.#next = 4;
    return this;
  }

  /** 32 random bits as an unsigned integer. */
  word() {
    if (this.#next === 4) this.#refill();
    const word = this.#words[this.#next];
    this.#next += 1;
    return word;
  }

  /** A number of [0, 1): a multiple of 2^-53, each equally probable. Takes two words. */
  uniform() {
    const high = this.word() >>> 5; // 27 bits
    return (high * 67108864 + (this.word() >>> 6)) / 9007199254740992; // 2^26 and 2^53
  }

  #refill() {
    this.#words.set(this.#counter);
    philox(this.#words, this.#key[0], this.#key[1]);
    for (let k = 0; k < 4; k += 1) {
      this.#counter[k] += 1; // wraps to 0
      if (this.#counter[k] !== 0) break;
    }
    this.#next = 0;
  }
}
