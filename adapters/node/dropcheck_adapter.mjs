// @ts-check
// Serves a dropout written in JavaScript to dropcheck. One file, no dependencies: copy it beside your code.
//
//   import { serve } from './dropcheck_adapter.mjs';
//
//   serve({ name: 'my-dropout', dtypes: ['f32'], seedSemantics: 'per_call' },
//         (x, { p, train, seed }) => (train ? myKernel(x, p, seed) : x));
//
//   dropcheck run --backend="exec:node my_adapter.mjs"
//
// x is a flat Float32Array or Float64Array in row-major order. Return y, or a Result with y, mask and more.
// In place, x is sent back, whatever was returned.
//
// A RangeError or InvalidArgument means that the request is refused, as a p outside [0, 1] must be;
// Unsupported that this cannot be done, which is never held against you. Anything else that is thrown is a
// failure. The function answers at once: promises are not waited for.
//
// Standard output belongs to the protocol (harness/abi/adapter_protocol.md). What console and process.stdout
// print goes to standard error. Native modules that print by themselves cannot be redirected.

import fs from 'node:fs';
import os from 'node:os';

/**
 * @typedef {Float32Array | Float64Array} Floats
 * @typedef {Uint8Array | ArrayLike<number | boolean>} Mask
 *
 * @typedef {object} Claims What the implementation is and can do; left out means the protocol's default.
 * @property {string} name
 * @property {string[]} [dtypes] of 'f32' and 'f64'
 * @property {string[]} [ops]
 * @property {'per_call' | 'stateful' | 'fixed' | 'none'} [seedSemantics]
 * @property {number} [seedBits] significant bits of a seed
 * @property {string} [offsetUnit] what one step of an offset is; needed to get offsets
 * @property {boolean} [mask] results have a mask
 * @property {boolean} [inPlace] writes the result to x when asked to
 * @property {boolean} [threads] sets the number of threads
 * @property {(saved: any, dy: Floats) => Floats} [backward] gets what forward returned as `saved`
 * @property {string[]} [features] further ones: 'rng_words', 'effective_rate'
 * @property {string[]} [forms]
 * @property {string[]} [promises] words that docs/adding_a_backend.md explains, e.g. 'batch_split'
 * @property {string} [implementationVersion]
 * @property {string} [library]
 * @property {string} [device]
 * @property {string[]} [notes]
 * @property {string} [exactStream]
 * @property {string} [conformsTo]
 *
 * @typedef {object} Call
 * @property {number} p drop probability; may be outside [0, 1] or NaN, to see whether it is refused
 * @property {boolean} train
 * @property {number | bigint | undefined} seed a BigInt above 2^53 - 1; undefined: continue the stream
 * @property {string} op
 * @property {string} dtype
 * @property {number[]} shape
 * @property {boolean} inPlace write the result to x
 * @property {number | bigint} offset
 * @property {number} threads 0: the implementation's default
 * @property {Record<string, unknown>} attributes
 * @property {string[]} want of 'y', 'mask' and 'packed_mask'; what is not wanted may be left out
 * @property {boolean} save a backward pass will follow
 * @property {Record<string, Floats>} inputs all inputs by name, x among them
 *
 * @typedef {object} Result
 * @property {Floats} [y]
 * @property {Mask} [mask] 1 or true: kept
 * @property {any} [saved] handed to backward
 * @property {Record<string, Floats>} [outputs] further outputs of forms
 * @property {number[]} [shape] of y, if it is not that of x
 * @property {number} [rngWords]
 * @property {number} [effectiveP]
 * @property {string[]} [warnings]
 * @property {Record<string, string>} [facts]
 *
 * @typedef {{ name: string, dtype: string, shape: number[] }} Described
 * @typedef {{ described: Described, bytes: Uint8Array }} Sent
 * @typedef {{ reply: Record<string, unknown>, sent?: Sent[] }} Answer
 */

/** Throw it to refuse a request. */
export class InvalidArgument extends Error {}

/** Throw it for what cannot be done. */
export class Unsupported extends Error {}

/** The other side broke the framing; nothing after it can be read. */
class WireError extends Error {}

const protocolVersion = 1;
const maxLineBytes = 1 << 20;
const maxText = 1300; // UTF-16 units, at most 3 bytes each: with a name at most 4096 bytes
const maxItems = 256; // of a list in a reply
const itemBytes = new Map(Object.entries({
  f64: 8, f32: 4, f16: 2, bf16: 2, i64: 8, i32: 4, u8: 1, bool: 1, c64: 8, c128: 16,
}));
const arrayTypes = new Map(/** @type {[string, any][]} */ ([['f32', Float32Array], ['f64', Float64Array]]));

// ---- the wire

/** Sends what is printed to standard error. Opening process.stdout would make the pipe non-blocking. */
function redirectOutput() {
  Object.defineProperty(process, 'stdout', { get: () => process.stderr, configurable: true });
  for (const method of /** @type {const} */ (['log', 'info', 'debug'])) console[method] = console.error;
}

/** Waits a millisecond: for a pipe that somebody has made non-blocking. */
function pause() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/**
 * Calls `transfer` until it does not say that the pipe is not ready.
 * @param {() => number} transfer
 */
function whenReady(transfer) {
  for (;;) {
    try {
      return transfer();
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      pause();
    }
  }
}

/** Standard input, read synchronously in chunks. */
class Input {
  #chunk = new Uint8Array(1 << 16);
  #begin = 0;
  #end = 0;

  /** The next line without its line feed; undefined at the end of input. */
  line() {
    const parts = [];
    let size = 0;
    for (;;) {
      if (this.#begin === this.#end && !this.#refill()) {
        if (size > 0) throw new WireError('the input ended inside a line');
        return undefined;
      }
      const feed = this.#chunk.subarray(this.#begin, this.#end).indexOf(10);
      const end = feed < 0 ? this.#end : this.#begin + feed;
      parts.push(this.#chunk.slice(this.#begin, end));
      size += end - this.#begin;
      if (size > maxLineBytes) throw new WireError('a request line is longer than 1 MiB');
      this.#begin = feed < 0 ? end : end + 1;
      if (feed >= 0) return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
    }
  }

  /**
   * Fills the bytes.
   * @param {Uint8Array} bytes
   */
  fill(bytes) {
    let got = Math.min(bytes.length, this.#end - this.#begin);
    bytes.set(this.#chunk.subarray(this.#begin, this.#begin + got));
    this.#begin += got;
    while (got < bytes.length) {
      const more = whenReady(() => fs.readSync(0, bytes, got, bytes.length - got, null));
      if (more === 0) throw new WireError('the input ended inside a frame');
      got += more;
    }
  }

  /** @param {number} count */
  skip(count) {
    const bytes = new Uint8Array(1 << 16);
    for (let left = count; left > 0; left -= Math.min(left, bytes.length)) {
      this.fill(bytes.subarray(0, Math.min(left, bytes.length)));
    }
  }

  #refill() {
    this.#begin = 0;
    this.#end = whenReady(() => fs.readSync(0, this.#chunk, 0, this.#chunk.length, null));
    return this.#end > 0;
  }
}

/** @param {Uint8Array} bytes */
function writeAll(bytes) {
  for (let done = 0; done < bytes.length;) {
    done += whenReady(() => fs.writeSync(1, bytes, done, bytes.length - done));
  }
}

/**
 * @param {Record<string, unknown>} reply
 * @param {Sent[]} sent
 * @param {unknown} seq
 */
function writeFrame(reply, sent, seq) {
  const nbytes = sent.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const tensors = sent.map((tensor) => tensor.described);
  const members = { seq, ...reply, ...(sent.length > 0 ? { tensors, nbytes } : {}) };
  writeAll(Buffer.from(`${JSON.stringify(members)}\n`));
  for (const tensor of sent) writeAll(tensor.bytes);
}

// ---- requests

/**
 * JSON with integers above 2^53 - 1 as texts, since JSON.parse would round them; integer64 reads both.
 * @param {string} text
 * @returns {Record<string, any>}
 */
export function parseRequest(text) {
  // Texts are matched too, so that digits inside them are left alone.
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const quoted = text.replace(tokens, (token) => {
    const isLargeInteger = /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
    return isLargeInteger ? `"${token}"` : token;
  });
  const request = JSON.parse(quoted);
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw new WireError('a request line is no JSON object');
  }
  return request;
}

/**
 * A 64-bit integer: a number, or a BigInt above 2^53 - 1.
 * @param {unknown} value
 * @param {string} name
 */
function integer64(value, name) {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const isText = typeof value === 'string' && /^\d{1,20}$/.test(value);
  if (isText && BigInt(value) < 1n << 64n) return BigInt(value);
  throw new Error(`${name} is no integer of 64 bits: ${value}`);
}

/**
 * A JSON number, or one of the texts for numbers that JSON lacks.
 * @param {unknown} value
 * @param {string} name
 */
function number(value, name) {
  if (typeof value === 'number') return value;
  if (value === 'nan') return NaN;
  if (value === 'inf') return Infinity;
  if (value === '-inf') return -Infinity;
  if (value === '-0') return -0;
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return Number(value); // from parseRequest
  throw new Error(`${name} is no number: ${value}`);
}

/**
 * The descriptions of tensors in a list, checked.
 * @param {unknown} list
 * @returns {(Described & { value?: unknown })[]}
 */
function describedIn(list = []) {
  if (!Array.isArray(list)) throw new Error('a list of tensors is no list');
  for (const entry of list) {
    if (typeof entry?.name !== 'string') throw new Error('a tensor has no name');
    if (!itemBytes.has(entry.dtype)) throw new Error(`${entry.name} has the unknown dtype ${entry.dtype}`);
    if (!isShape(entry.shape)) throw new Error(`${entry.name} has no shape of counts`);
  }
  return list;
}

/** @param {unknown} shape */
function isShape(shape) {
  return Array.isArray(shape) && shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

/** @param {number[]} shape */
function elementCount(shape) {
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(count)) throw new Error(`the shape ${shape} has too many elements`);
  return count;
}

/**
 * The tensors of a frame as bytes by name. The frame is read to its end in any case.
 * @param {Input} input
 * @param {Record<string, any>} request
 */
function readPayload(input, request) {
  const nbytes = request.nbytes ?? 0;
  if (!Number.isSafeInteger(nbytes) || nbytes < 0) throw new WireError(`nbytes is no count: ${nbytes}`);
  /** @type {Map<string, Uint8Array>} */
  const payload = new Map();
  try {
    const entries = describedIn(request.tensors);
    const sizes = entries.map((entry) => elementCount(entry.shape) * Number(itemBytes.get(entry.dtype)));
    const needed = sizes.reduce((sum, size) => sum + size, 0);
    if (needed !== nbytes) throw new Error(`the frame has ${nbytes} bytes, its tensors need ${needed}`);
    entries.forEach((entry, k) => payload.set(entry.name, new Uint8Array(sizes[k])));
    if (payload.size !== entries.length) throw new Error('a frame names a tensor twice');
  } catch (error) {
    input.skip(nbytes);
    throw error;
  }
  for (const bytes of payload.values()) input.fill(bytes);
  return payload;
}

// ---- results

/**
 * @param {string} name
 * @param {unknown} values
 * @param {number[]} shape that of the result if the count agrees
 * @returns {Sent}
 */
function sentFloats(name, values, shape) {
  for (const [dtype, type] of arrayTypes) {
    if (values instanceof type) {
      const floats = /** @type {Floats} */ (values);
      const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
      const isWhole = elementCount(shape) === floats.length;
      return { described: { name, dtype, shape: isWhole ? shape : [floats.length] }, bytes };
    }
  }
  throw new Error(`${name} is no Float32Array or Float64Array`);
}

/**
 * @param {string} name 'mask' or 'packed_mask'
 * @param {Mask | undefined} mask
 * @param {number[]} shape of x
 * @returns {Sent}
 */
function sentMask(name, mask, shape) {
  if (mask === undefined) throw new Error('the function returned no mask');
  const flags = Uint8Array.from(mask, (entry) => {
    const flag = Number(entry);
    if (flag !== 0 && flag !== 1) throw new Error('the mask has entries other than 0 and 1');
    return flag;
  });
  const isWhole = flags.length === elementCount(shape);
  if (name === 'mask') {
    return { described: { name, dtype: 'u8', shape: isWhole ? shape : [flags.length] }, bytes: flags };
  }
  if (!isWhole) throw new Error(`the mask has ${flags.length} entries, x ${elementCount(shape)}`);
  const bytes = packedBits(flags);
  return { described: { name, dtype: 'u8', shape: [bytes.length] }, bytes };
}

/**
 * Least significant bit first.
 * @param {Uint8Array} flags
 */
function packedBits(flags) {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  flags.forEach((flag, k) => { bytes[k >> 3] |= flag << (k & 7); });
  return bytes;
}

// ---- errors

/**
 * The last part of a text.
 * @param {unknown} value
 */
function text(value) {
  return String(value).slice(-maxText);
}

/**
 * The reply for what was thrown by the judged functions (`fromKernel`) or by this file.
 * @param {unknown} thrown
 * @param {boolean} fromKernel
 */
function refusal(thrown, fromKernel) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const message = text(error.message);
  if (error instanceof Unsupported) return { skipped: true, message };
  const traceback = text(error.stack ?? '');
  return { errored: true, message, kind: kindOf(error, fromKernel), traceback };
}

/**
 * @param {Error} error
 * @param {boolean} fromKernel
 */
function kindOf(error, fromKernel) {
  // Engines report exhausted memory and stacks as RangeError too.
  const noMemory = /allocation failed|Invalid (typed )?array( buffer)? length/i;
  if (noMemory.test(error.message)) return 'out_of_memory';
  if (/call stack/i.test(error.message)) return 'failed';
  const refuses = error instanceof InvalidArgument || error instanceof RangeError;
  return fromKernel && refuses ? 'invalid_argument' : 'failed';
}

/** Marks what the judged functions throw. */
class KernelError {
  /** @param {unknown} thrown */
  constructor(thrown) {
    this.thrown = thrown;
  }
}

/**
 * @template T
 * @param {() => T} call
 * @returns {T}
 */
function asKernel(call) {
  try {
    return call();
  } catch (error) {
    throw new KernelError(error);
  }
}

// ---- the adapter

class Adapter {
  #claims;
  #forward;
  #features;
  /** @type {Map<number, unknown>} */
  #saved = new Map();
  #lastToken = 0;

  /**
   * @param {Claims} claims
   * @param {(x: Floats, call: Call) => Floats | Result} forward
   */
  constructor(claims, forward) {
    this.#claims = claims;
    this.#forward = forward;
    this.#features = ['constant_input', ...(claims.features ?? [])];
    if (claims.mask) this.#features.push('mask', 'packed_mask');
    if (claims.inPlace) this.#features.push('in_place');
    if (claims.threads) this.#features.push('threads');
    if (claims.backward) this.#features.push('backward');
    for (const dtype of this.#dtypes) {
      if (!arrayTypes.has(dtype)) throw new TypeError(`dtype ${dtype} is not f32 or f64`);
    }
  }

  /** Answers until stop or the end of input. */
  serve() {
    const input = new Input();
    for (let line = input.line(); line !== undefined; line = input.line()) {
      const request = parseRequest(line);
      const { reply, sent } = this.#answer(input, request);
      writeFrame(reply, sent ?? [], request.seq ?? null);
      if (request.cmd === 'stop') return;
    }
  }

  get #dtypes() {
    return this.#claims.dtypes ?? ['f32'];
  }

  /**
   * @param {Input} input
   * @param {Record<string, any>} request
   * @returns {Answer}
   */
  #answer(input, request) {
    try {
      const payload = readPayload(input, request);
      switch (request.cmd) {
        case 'start': return { reply: this.#start(request) };
        case 'run': return this.#run(request, payload);
        case 'backward': return this.#backward(request, payload);
        case 'release':
          this.#saved.delete(request.saved);
          return { reply: {} };
        case 'stop': return { reply: {} };
        default: throw new Error(`unknown cmd ${request.cmd}`);
      }
    } catch (error) {
      if (error instanceof WireError) throw error;
      if (error instanceof KernelError) return { reply: refusal(error.thrown, true) };
      return { reply: refusal(error, false) };
    }
  }

  /** @param {Record<string, any>} request */
  #start(request) {
    if (request.version !== protocolVersion) {
      throw new Error(`this adapter speaks version 1 of the protocol, not ${request.version}`);
    }
    const claims = this.#claims;
    return {
      version: protocolVersion,
      name: claims.name,
      implementation_version: claims.implementationVersion,
      library: claims.library,
      device: claims.device,
      notes: claims.notes,
      ops: claims.ops,
      dtypes: this.#dtypes,
      seed_semantics: claims.seedSemantics ?? 'none',
      seed_bits: claims.seedBits,
      offset_unit: claims.offsetUnit,
      features: this.#features,
      forms: claims.forms,
      promises: claims.promises,
      exact_stream: claims.exactStream,
      conforms_to: claims.conformsTo,
    };
  }

  /**
   * @param {Record<string, any>} request
   * @param {Map<string, Uint8Array>} payload
   * @returns {Answer}
   */
  #run(request, payload) {
    this.#checkClaimed(request);
    const call = this.#call(request, payload);
    const returned = asKernel(() => this.#forward(call.inputs.x, call));
    const result = isFloats(returned) ? { y: returned } : /** @type {Result} */ (returned ?? {});
    if (call.inPlace) result.y = call.inputs.x;
    const sent = call.want.map((name) => {
      if (name === 'mask' || name === 'packed_mask') return sentMask(name, result.mask, call.shape);
      const values = name === 'y' ? result.y : result.outputs?.[name];
      return sentFloats(name, values, (name === 'y' ? result.shape : undefined) ?? call.shape);
    });
    const facts = Object.entries(result.facts ?? {}).map(([name, fact]) => [name, text(fact)]);
    /** @type {Record<string, unknown>} */
    const reply = {
      rng_words: result.rngWords,
      warnings: result.warnings?.slice(0, maxItems).map(text),
      facts: facts.length > 0 ? Object.fromEntries(facts) : undefined,
    };
    if (Number.isFinite(result.effectiveP)) reply.effective_p = result.effectiveP;
    if (result.y === call.inputs.x) reply.aliases_input = true;
    if (call.save) reply.saved = this.#keep(result.saved);
    return { reply, sent };
  }

  /**
   * @param {Record<string, any>} request
   * @param {Map<string, Uint8Array>} payload
   * @returns {Answer}
   */
  #backward(request, payload) {
    const { backward } = this.#claims;
    if (backward === undefined) throw new Unsupported('there is no backward pass');
    const hasAttributes = Object.keys(request.attributes ?? {}).length > 0;
    if (hasAttributes || String(request.want ?? 'dx') !== 'dx') {
      throw new Unsupported('a backward pass gives dx alone, without options');
    }
    const { inputs, described } = this.#inputs(request, payload);
    const isAlone = described.length === 1 && inputs.dy !== undefined;
    if (!isAlone) throw new Unsupported('a backward pass takes dy alone');
    if (!this.#saved.has(request.saved)) throw new Error(`no call is saved as ${request.saved}`);
    const dx = asKernel(() => backward(this.#saved.get(request.saved), inputs.dy));
    return { reply: {}, sent: [sentFloats('dx', dx, described[0].shape)] };
  }

  /** @param {unknown} saved */
  #keep(saved) {
    if (saved === undefined) throw new Error('a backward pass will follow, but the result has nothing saved');
    this.#lastToken += 1;
    this.#saved.set(this.#lastToken, saved);
    return this.#lastToken;
  }

  /**
   * Throws Unsupported for what was not claimed, rather than answer another question.
   * @param {Record<string, any>} request
   */
  #checkClaimed(request) {
    const claims = this.#claims;
    /** @type {(condition: unknown, message: string) => void} */
    const refuseIf = (condition, message) => {
      if (condition) throw new Unsupported(message);
    };
    const op = request.op ?? 'dropout';
    refuseIf(!(claims.ops ?? ['dropout']).includes(op), `operator ${op} is not supported`);
    refuseIf(request.in_place && !claims.inPlace, 'working in place is not supported');
    refuseIf(request.save && !claims.backward, 'there is no backward pass');
    refuseIf(request.threads && !claims.threads, 'the number of threads cannot be set');
    refuseIf(Number(request.offset ?? 0) !== 0 && !claims.offsetUnit, 'offsets are not supported');
    const hasAttributes = Object.keys(request.attributes ?? {}).length > 0;
    refuseIf(hasAttributes && !claims.forms, 'attributes are not supported');
    for (const name of request.want ?? []) {
      refuseIf(['mask', 'packed_mask'].includes(name) && !claims.mask, `there is no ${name}`);
    }
    const semantics = claims.seedSemantics ?? 'none';
    refuseIf(request.seed !== undefined && ['none', 'fixed'].includes(semantics), 'seeds cannot be set');
    if (request.seed === undefined && semantics === 'per_call') throw new Error('every call needs a seed');
  }

  /**
   * The tensors of a request by name, sent or constant.
   * @param {Record<string, any>} request
   * @param {Map<string, Uint8Array>} payload
   */
  #inputs(request, payload) {
    const sent = describedIn(request.tensors);
    const filled = describedIn(request.fill);
    /** @type {Record<string, Floats>} */
    const inputs = {};
    for (const entry of [...sent, ...filled]) {
      const Type = arrayTypes.get(entry.dtype);
      if (Type === undefined || !this.#dtypes.includes(entry.dtype)) {
        throw new Unsupported(`dtype ${entry.dtype} is not supported`);
      }
      const bytes = payload.get(entry.name);
      inputs[entry.name] = filled.includes(entry)
        ? new Type(elementCount(entry.shape)).fill(number(entry.value, 'value'))
        : new Type(bytes?.buffer);
    }
    return { inputs, described: [...sent, ...filled] };
  }

  /**
   * @param {Record<string, any>} request
   * @param {Map<string, Uint8Array>} payload
   * @returns {Call}
   */
  #call(request, payload) {
    const { inputs, described } = this.#inputs(request, payload);
    const x = described.find((entry) => entry.name === 'x');
    if (x === undefined) throw new Error('the request has no x');
    const hasFurther = described.length > 1;
    if (hasFurther && !this.#claims.forms) throw new Unsupported('further inputs are not supported');
    return {
      p: number(request.p, 'p'),
      train: Boolean(request.train ?? true),
      seed: request.seed === undefined ? undefined : integer64(request.seed, 'seed'),
      op: request.op ?? 'dropout',
      dtype: x.dtype,
      shape: x.shape,
      inPlace: Boolean(request.in_place),
      offset: integer64(request.offset ?? 0, 'offset'),
      threads: Number(request.threads ?? 0),
      attributes: request.attributes ?? {},
      want: request.want ?? ['y'],
      save: Boolean(request.save),
      inputs,
    };
  }
}

/**
 * @param {unknown} value
 * @returns {value is Floats}
 */
function isFloats(value) {
  return value instanceof Float32Array || value instanceof Float64Array;
}

/**
 * Answers dropcheck's requests until it stops the program. Returns then.
 * @param {Claims} claims
 * @param {(x: Floats, call: Call) => Floats | Result} dropout
 */
export function serve(claims, dropout) {
  redirectOutput();
  if (os.endianness() !== 'LE') throw new Error('the protocol is little-endian, this machine is not');
  try {
    new Adapter(claims, dropout).serve();
  } catch (error) {
    if (!(error instanceof WireError || error instanceof SyntaxError)) throw error;
    console.error(`dropcheck_adapter: ${error.message}`);
    process.exitCode = 1;
  }
}
