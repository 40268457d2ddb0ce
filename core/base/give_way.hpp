#pragma once

namespace gatehouse {

/// This thread and all it starts from now on run after others where CPUs are short: nobody's
/// request waits for a configuration to be read or for a key to be made. They still get a thirtieth
/// of what a busy worker gets; who gives way a second time, a seventieth. Their turns are short,
/// too (background_turn). Not to be taken back without privileges.
void give_way();

/// The same for what a request waits for, and what burns long: they get a third of what a busy
/// worker gets, so that a crowd of them holds nobody up, and a busy machine not them.
void step_back();

}  // namespace gatehouse
