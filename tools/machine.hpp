#pragma once
// Facts about the machine and the build, for the environment record and the doctor.

#include "harness/core/run_record.hpp"

namespace dropcheck::tools {

/// Operating system, processor, cores, memory, compiler and library versions. No names of hosts or users.
Environment machine_facts();

}  // namespace dropcheck::tools
