#pragma once

#include <optional>
#include <string_view>

namespace gatehouse::serve {

/// CPUs this process may use: affinity and the control group's quota counted; at least 1.
unsigned available_cpus();

/// CPUs that a quota amounts to, rounded up; none where there is no quota. `text` is the content of
/// a version 2 group's cpu.max: "150000 100000", or "max 100000".
std::optional<unsigned> cpus_of_quota(std::string_view text);

}  // namespace gatehouse::serve
