/* A plugin that serves no host at all. */
#include "harness/abi/dropcheck_plugin.h"

const dropcheck_plugin* dropcheck_get_plugin(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_major;
  (void)host_abi_minor;
  return NULL;
}
