#!/usr/bin/env python3
"""What a rate, a chi-squared sum over 1024 lanes and 64 lags cost with NumPy and SciPy, in ps a bit.

2^24 independent mask entries, 1 (dropped) with probability 0.3, one byte each, as NumPy holds a mask. The lags
are taken inside chunks of 2^20, as dropcheck does, and measured twice: as 64 dot products in float32 and by a
Fourier transform in float64. Each figure is the median CPU time of the repetitions, with the p-values; with
OPENBLAS_NUM_THREADS=1 that of one core. Run it on an idle machine, next to stream_bench.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import scipy
import scipy.fft
import scipy.stats

BITS = 1 << 24
CHUNK = 1 << 20
P = 0.3
LANES = 1024
LAGS = 64


def rate(mask):
    drops = int(np.count_nonzero(mask))
    law = scipy.stats.binom(mask.size, P)
    return min(1.0, 2 * min(law.cdf(drops), law.sf(drops - 1)))


def lanes(mask):
    drops = mask.reshape(-1, LANES).sum(axis=0, dtype=np.int64)
    n = mask.size // LANES
    statistic = float(((drops - n * P) ** 2).sum() / (n * P * (1 - P)))
    return float(scipy.stats.chi2.sf(statistic, LANES))


def p_values_of_lags(sums):
    pairs = BITS // CHUNK * (CHUNK - np.arange(1, LAGS + 1))
    z = sums / np.sqrt(pairs) / (P * (1 - P))
    return np.minimum(1, 2 * scipy.stats.norm.sf(np.abs(z)))


def lags_by_dot(mask):
    sums = np.zeros(LAGS)
    for chunk in mask.reshape(-1, CHUNK):
        centred = chunk.astype(np.float32) - np.float32(P)
        sums += [float(np.dot(centred[:-k], centred[k:])) for k in range(1, LAGS + 1)]
    return p_values_of_lags(sums)


def lags_by_fft(mask):
    length = scipy.fft.next_fast_len(CHUNK + LAGS, real=True)
    sums = np.zeros(LAGS)
    for chunk in mask.reshape(-1, CHUNK):
        spectrum = scipy.fft.rfft(chunk.astype(np.float64) - P, length)
        sums += scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[1 : LAGS + 1]
    return p_values_of_lags(sums)


def ps_per_bit(work, mask, repetitions):
    times = []
    for _ in range(repetitions):
        begin = time.process_time()
        work(mask)
        times.append(time.process_time() - begin)
    return statistics.median(times) / BITS * 1e12


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.repetitions < 1:
        parser.error("at least one repetition")

    mask = (np.random.default_rng(1).random(BITS) < P).astype(np.uint8)
    by_dot, by_fft = lags_by_dot(mask), lags_by_fft(mask)
    if np.abs(by_dot - by_fft).max() > 0.01:  # float32 sums keep some digits only
        sys.exit("the two ways to compute the lags disagree")

    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, scipy {scipy.__version__}; ps a bit")
    figures = {}
    for work in (rate, lanes, lags_by_dot, lags_by_fft):
        figures[work] = ps_per_bit(work, mask, arguments.repetitions)
        print(f"{work.__name__:12} {figures[work]:10.1f}")
    fastest = min(figures[lags_by_dot], figures[lags_by_fft])
    print(f"{'all three':12} {figures[rate] + figures[lanes] + fastest:10.1f}  (the faster way for the lags)")


if __name__ == "__main__":
    main()
