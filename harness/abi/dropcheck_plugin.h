/* The C plugin ABI of dropcheck: what a dropout implementation exports to be judged.
 *
 * A plugin is a shared library with one exported function, dropcheck_get_plugin, that returns a table of
 * functions. The host owns all tensors and lends them for the time of a call, as DLTensors with strides in
 * elements. No exception may leave the library. Every struct begins with its own size: fields behind that
 * size do not exist for the other side and must not be touched. Minor versions append fields; another major
 * version is refused.
 *
 * dtypes are DLPack's; booleans are code 6 with 8 bits (kDLBool of DLPack 0.8), which older headers do not
 * name.
 *
 * C++ authors find a helper of a dozen lines in dropcheck_plugin.hpp. */
#ifndef DROPCHECK_PLUGIN_H_
#define DROPCHECK_PLUGIN_H_

#include <dlpack/dlpack.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DROPCHECK_ABI_MAJOR 1u
#define DROPCHECK_ABI_MINOR 0u
#define DROPCHECK_MAX_RANK 8
#define DROPCHECK_TEXT_BYTES 1024
#define DROPCHECK_DL_BOOL 6u

/* What a function returns. UNSUPPORTED is never held against a plugin; the other errors are. */
typedef enum {
  DROPCHECK_OK = 0,
  DROPCHECK_UNSUPPORTED = 1,      /* cannot do this op, dtype, layout or option */
  DROPCHECK_INVALID_ARGUMENT = 2, /* refuses the request, for example p outside [0, 1] */
  DROPCHECK_OUT_OF_MEMORY = 3,
  DROPCHECK_FAILED = 4
} dropcheck_status;

/* Capabilities, or-ed together. Every claim is tested. */
#define DROPCHECK_CAN_BACKWARD (1u << 0)
#define DROPCHECK_CAN_IN_PLACE (1u << 1)
#define DROPCHECK_CAN_SET_THREADS (1u << 2) /* honours the attribute "threads" */
#define DROPCHECK_CAN_RETURN_MASK (1u << 3) /* fills the output "mask" */
#define DROPCHECK_CAN_RETURN_PACKED_MASK (1u << 4)
#define DROPCHECK_CAN_TAKE_CONSTANT (1u << 5) /* accepts constant_input in place of the data of "x" */
#define DROPCHECK_CAN_RECOMPUTE (1u << 6)     /* save_state and load_state are there */
#define DROPCHECK_REPORTS_RNG_WORDS (1u << 7)
#define DROPCHECK_DECLARES_EFFECTIVE_P (1u << 8)

/* What a call wants back, or-ed together. */
#define DROPCHECK_WANT_OUTPUT (1u << 0) /* absent: there is no output "y"; a packed mask is wanted alone */
#define DROPCHECK_WANT_MASK (1u << 1)   /* output "mask": uint8, 1 = kept, shape of the input */
#define DROPCHECK_WANT_PACKED_MASK                                                                    \
  (1u << 2) /* output "packed_mask": uint8, one dimension of ceil(n/8) for n elements of the input in \
               row-major order, least significant bit first, 1 = kept; bits past n are 0 */
#define DROPCHECK_WANT_SAVED (1u << 3)     /* keep what backward needs and return a token */
#define DROPCHECK_WANT_RNG_WORDS (1u << 4) /* fill rng_words, from a plugin that reports them */

/* Texts are owned by the plugin and live as long as the context. Lists are comma-separated words of
 * docs/descriptor.md. */
typedef struct dropcheck_capabilities {
  size_t struct_size;
  const char* name;
  const char* version;
  const char* library;        /* file of the judged library that was really loaded, or NULL */
  const char* device;         /* "cpu", "cuda", ... */
  const char* ops;            /* "dropout,dropout2d" */
  const char* dtypes;         /* "f32,f16" */
  const char* layouts;        /* "contiguous,channels_last" */
  const char* seed_semantics; /* "stateful", "per_call", "fixed" or "none" */
  uint32_t seed_bits;         /* significant bits of a seed, 1 to 64 */
  const char* offset_unit;    /* what one step of an RNG offset is, or NULL when offsets are not accepted */
  const char* exact_stream;   /* documented stream that the masks equal bit for bit, or NULL */
  const char* notes;          /* facts for the report, one a line, or NULL */
  uint32_t features;          /* DROPCHECK_CAN_... */
  const char* forms;          /* values of the attribute "form" that it understands, or NULL */
  const char* conforms_to;    /* framework that it claims to be to the letter, e.g. "pytorch", or NULL */
  const char* promises; /* what its masks keep to beyond a dropout, or NULL: "batch_split" (a batch in several
                           calls of one stream has the mask of the whole in one call), "coupled_thresholds"
                           (after one seed, what is dropped at p is dropped at every larger p),
                           "independent_ranks" or "equal_ranks" (contexts of one seed and different ranks
                           draw different masks, or the same), "replay" (the attribute "replay" is
                           understood) */
} dropcheck_capabilities;

typedef struct dropcheck_named_tensor {
  const char* name; /* forward: in "x", out "y", "mask", "packed_mask"; backward: in "dy", out "dx"; forms of
                       a call may have more (docs/attributes.md) */
  DLTensor* tensor;
} dropcheck_named_tensor;

typedef struct dropcheck_call {
  size_t struct_size;
  const char*
      op; /* "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout" */
  double
      p; /* drop probability as the user gave it: may be out of range or NaN, to see whether it is refused */
  int32_t train;
  int32_t in_place; /* the result replaces "x"; there is no output "y" */
  int32_t has_seed; /* 0: continue the stream that earlier calls began */
  uint64_t seed;
  uint64_t offset; /* of the random stream, in offset_unit; 0 unless a unit was declared */
  const char*
      attributes; /* JSON object with further options, never NULL. {"threads":N} is sent only to a plugin that
                     claims DROPCHECK_CAN_SET_THREADS, {"form":NAME} only to one that lists the form. Refuse
                     unknown keys as unsupported. docs/attributes.md lists them. */
  uint32_t want;  /* DROPCHECK_WANT_... */
  double constant_input; /* value of every element of "x" where that tensor has no data (NULL); sent so only
                            to a plugin that claims DROPCHECK_CAN_TAKE_CONSTANT */
  uint32_t input_count;
  const dropcheck_named_tensor* inputs;
  uint32_t output_count;
  const dropcheck_named_tensor* outputs;
} dropcheck_call;

/* Filled by the plugin; the host hands it over zeroed apart from struct_size and the values named "unknown".
 */
typedef struct dropcheck_result {
  size_t struct_size;
  int32_t produced_ndim; /* of the implementation's own result; -1 unknown */
  int64_t produced_shape[DROPCHECK_MAX_RANK];
  int32_t has_produced_strides;
  int64_t produced_strides[DROPCHECK_MAX_RANK]; /* in elements */
  DLDataType produced_dtype;                    /* bits 0: unknown */
  int32_t aliases_input;                        /* 1 yes, 0 no, -1 unknown */
  int64_t version_delta;                        /* of the input's version counter; -1 unknown */
  int64_t rng_words;                            /* generator words used by the call; -1 unknown */
  double effective_p;                           /* NaN unknown */
  uint64_t saved;                               /* token for backward and release; 0 none */
  char warnings[DROPCHECK_TEXT_BYTES];          /* NUL-terminated, one a line */
  char error[DROPCHECK_TEXT_BYTES];             /* NUL-terminated; why the call did not return DROPCHECK_OK */
  char facts[DROPCHECK_TEXT_BYTES]; /* NUL-terminated; "name=value", one a line (docs/attributes.md) */
} dropcheck_result;

/* Functions marked optional may be NULL. A context is used by one thread at a time; several may be open at
 * once. */
typedef struct dropcheck_plugin {
  size_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  /* config: JSON object; "config" holds what stood after '?' in the backend name, "rank" (from 0) and
   * "world_size" number the contexts that draw together. On failure writes one sentence to error, which has
   * error_bytes bytes. */
  int (*open)(const char* config, void** context, char* error, size_t error_bytes);
  void (*close)(void* context);
  int (*capabilities)(void* context, dropcheck_capabilities* out);
  int (*forward)(void* context, const dropcheck_call* call, dropcheck_result* result);
  /* optional: dx for the forward call that returned `saved`; the token stays valid until released. */
  int (*backward)(void* context, uint64_t saved, const dropcheck_call* call, dropcheck_result* result);
  void (*release)(void* context, uint64_t saved); /* optional; unknown tokens are ignored */
  /* optional, both or neither: the generator's state, for the same context. save_state returns the bytes
   * needed, at most 16 MiB, and writes only where `bytes` suffices; 0: the state cannot be told. It is first
   * asked with 0 bytes and must then need the same. */
  size_t (*save_state)(void* context, void* state, size_t bytes);
  int (*load_state)(void* context, const void* state, size_t bytes);
  /* optional, all or none: device memory, so that the host needs no driver. Without them tensors are host
   * memory and `device` is "cpu". With them, and another `device`, every tensor of a call is lent as a copy
   * in memory from memory_allocate, at the same distance from a multiple of 256 bytes, and is copied back
   * when the call has returned DROPCHECK_OK and synchronize has; memory_allocate returns at least that
   * alignment. kind of copy: 0 host to device, 1 device to host. They return a dropcheck_status. */
  int (*memory_allocate)(void* context, size_t bytes, void** memory);
  void (*memory_free)(void* context, void* memory);
  int (*memory_copy)(void* context, void* to, const void* from, size_t bytes, int kind);
  int (*synchronize)(void* context);
} dropcheck_plugin;

/* The one exported symbol. Returns NULL when the plugin cannot serve a host of that major version. The table
 * is static. */
#define DROPCHECK_PLUGIN_SYMBOL "dropcheck_get_plugin"
typedef const dropcheck_plugin* (*dropcheck_get_plugin_function)(uint32_t host_abi_major,
                                                                 uint32_t host_abi_minor);
__attribute__((visibility("default"))) const dropcheck_plugin* dropcheck_get_plugin(uint32_t host_abi_major,
                                                                                    uint32_t host_abi_minor);

#ifdef __cplusplus
}
#endif
#endif /* DROPCHECK_PLUGIN_H_ */
