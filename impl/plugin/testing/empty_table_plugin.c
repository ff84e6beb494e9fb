/* A plugin of the right ABI without a single function. */
#include "harness/abi/dropcheck_plugin.h"

static const dropcheck_plugin table = {.struct_size = sizeof(dropcheck_plugin),
                                       .abi_major = DROPCHECK_ABI_MAJOR,
                                       .abi_minor = DROPCHECK_ABI_MINOR};

const dropcheck_plugin* dropcheck_get_plugin(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_major;
  (void)host_abi_minor;
  return &table;
}
