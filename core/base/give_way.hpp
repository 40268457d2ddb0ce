#pragma once

namespace gatehouse {

/// This thread and all it starts from now on run after others where CPUs are short: nobody's
/// request waits for a configuration to be read or for a key to be made. They still get a tenth of
/// what a busy worker gets; who gives way a second time, a seventieth. Their turns are short
/// (take_short_turns()): a long one of so small a share would come late, and be in the way for
/// milliseconds then. Not to be taken back without privileges.
void give_way();

}  // namespace gatehouse
