// A dropout for dropcheck without any library: dropcheck run --backend="exec:node minimal.mjs"
// Standard output belongs to the protocol; what is printed goes to standard error.
import { readSync, writeFileSync } from 'node:fs'; console.log = console.error;
// The kernel. Where p is 1, the scale is infinite and never used.
const drop = (x, p, s = Math.fround(1 / Math.fround(1 - p))) => x.map((v) => v * (Math.random() < p ? 0 : s));
function read(b, k = 0) { for (; k < b.length;) k += readSync(0, b.subarray(k)) || process.exit(); return b; }
function line(text = '') { while (!text.endsWith('\n')) text += read(Buffer.alloc(1)); return text; }
for (let r = {}; r.cmd !== 'stop' && (r = JSON.parse(line()));) {
  const x = new Float32Array(read(Buffer.alloc(r.nbytes ?? 0)).buffer), p = Number(r.p);
  let y = new Uint8Array(), out = { errored: true, message: `${r.cmd} p ${r.p}`, kind: 'invalid_argument' };
  if (p >= 0 && p <= 1) [y, out] = [drop(x, r.train ? p : 0), { tensors: [{ ...r.tensors[0], name: 'y' }] }];
  else if (['start', 'stop'].includes(r.cmd)) out = { version: 1, name: 'minimal', seed_semantics: 'none' };
  const header = Buffer.from(`${JSON.stringify({ ...out, seq: r.seq, nbytes: y.byteLength })}\n`);
  writeFileSync(1, Buffer.concat([header, Buffer.from(y.buffer)]));
}
