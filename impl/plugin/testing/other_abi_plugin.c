/* A plugin that was built for an ABI that does not exist yet. */
#include "harness/abi/dropcheck_plugin.h"

static const dropcheck_plugin table = {
    .struct_size = sizeof(dropcheck_plugin), .abi_major = 99, .abi_minor = 3};

const dropcheck_plugin* dropcheck_get_plugin(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_major;
  (void)host_abi_minor;
  return &table;
}
