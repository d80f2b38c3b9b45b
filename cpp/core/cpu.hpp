// What this processor and its operating system support, and the kernel table chosen for it.
#pragma once
#include <string>
#include <vector>

#include "kernels/table.hpp"

namespace pyconv {

unsigned cpu_features();                         // IsaFeature bits
std::string amx_status();                        // "usable", or why not
std::string cpu_name();                          // brand string, or the architecture
std::vector<const KernelTable*> usable_isas();   // best first, capped by PYCONV_ISA
std::vector<std::string> built_isas();           // best first
const KernelTable& current_isa();
void set_isa(const std::string& name);           // throws std::invalid_argument

}  // namespace pyconv
