/* A complete plugin in C: plain dropout on contiguous f32 tensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/abi/dropcheck_plugin.h"

/* One context is one generator. A seed resets it, and every call goes on where the last one stopped. */
typedef struct {
  uint64_t state;
} generator;

/* splitmix64, cut to the 53 bits that a double holds exactly: a multiple of 2^-53 in [0, 1). */
static double next_uniform(generator* g) {
  uint64_t z = (g->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int open_context(const char* config, void** context, char* error, size_t error_bytes) {
  (void)config;
  *context = calloc(1, sizeof(generator));
  if (*context != NULL) return DROPCHECK_OK;
  snprintf(error, error_bytes, "no memory for the generator");
  return DROPCHECK_OUT_OF_MEMORY;
}

/* The host zeroed the struct, so a plugin names only what it has. Whatever it claims is tested. */
static int capabilities(void* context, dropcheck_capabilities* out) {
  (void)context;
  out->name = "minimal-c";
  out->version = "1.0";
  out->device = "cpu";
  out->ops = "dropout";
  out->dtypes = "f32";
  out->layouts = "contiguous";
  out->seed_semantics = "stateful";
  out->seed_bits = 64;
  return DROPCHECK_OK;
}

static int refuse(dropcheck_result* result, int status, const char* why) {
  snprintf(result->error, sizeof result->error, "%s", why);
  return status;
}

static const DLTensor* find(const dropcheck_named_tensor* tensors, uint32_t count, const char* name) {
  for (uint32_t i = 0; i < count; ++i)
    if (strcmp(tensors[i].name, name) == 0) return tensors[i].tensor;
  return NULL;
}

static float* elements(const DLTensor* tensor) { return (float*)((char*)tensor->data + tensor->byte_offset); }

static int forward(void* context, const dropcheck_call* call, dropcheck_result* result) {
  generator* g = context;
  const DLTensor* x = find(call->inputs, call->input_count, "x");
  const DLTensor* y = find(call->outputs, call->output_count, "y");
  if (strcmp(call->op, "dropout") != 0 || call->in_place || x == NULL || y == NULL ||
      x->dtype.code != kDLFloat || x->dtype.bits != 32)
    return refuse(result, DROPCHECK_UNSUPPORTED, "only dropout from an f32 tensor into another one");
  /* Asked this way round, NaN is refused too. */
  if (!(call->p >= 0.0 && call->p <= 1.0))
    return refuse(result, DROPCHECK_INVALID_ARGUMENT, "the drop probability must lie between 0 and 1");

  size_t n = 1; /* rank 0 is one element */
  for (int d = 0; d < x->ndim; ++d) n *= (size_t)x->shape[d];
  if (call->has_seed) g->state = call->seed;
  /* Evaluation and p = 0 pass the input through without a draw; p = 1 needs none either. */
  const int draws = call->train && call->p > 0.0 && call->p < 1.0;
  const int drops_all = call->train && call->p == 1.0;
  const float scale = draws ? 1.0f / (float)(1.0 - call->p) : 1.0f;
  const float* in = elements(x);
  float* out = elements(y);
  for (size_t i = 0; i < n; ++i) {
    const int dropped = drops_all || (draws && next_uniform(g) < call->p);
    /* Times zero instead of zero: a NaN stays NaN, and -1 becomes -0. */
    out[i] = in[i] * (dropped ? 0.0f : scale);
  }
  return DROPCHECK_OK;
}

static const dropcheck_plugin table = {.struct_size = sizeof(dropcheck_plugin),
                                       .abi_major = DROPCHECK_ABI_MAJOR,
                                       .abi_minor = DROPCHECK_ABI_MINOR,
                                       .open = open_context,
                                       .close = free,
                                       .capabilities = capabilities,
                                       .forward = forward};

const dropcheck_plugin* dropcheck_get_plugin(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_minor;
  return host_abi_major == DROPCHECK_ABI_MAJOR ? &table : NULL;
}
