#include "core/base/no_signals.hpp"

#include <pthread.h>
#include <signal.h>

namespace gatehouse {

void take_no_signals() {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
    ::sigdelset(&all, fault);
  }
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace gatehouse
