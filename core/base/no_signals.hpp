#pragma once

namespace gatehouse {

/// This thread and all it starts from now on take no signals but those of their own faults.
/// Whoever waits for signals gets them; late in a stop nobody does, and a thread that took one
/// then would end the program with it.
void take_no_signals();

}  // namespace gatehouse
