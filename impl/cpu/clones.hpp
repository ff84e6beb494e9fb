#pragma once
// DROPCHECK_CPU_CLONES on a function compiles it for AVX-512, AVX2 and the build's own target; the loader
// picks one. The resolvers run before sanitizers are set up, so sanitizer builds go without.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DROPCHECK_CPU_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define DROPCHECK_CPU_CLONES
#endif
