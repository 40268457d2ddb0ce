#include "core/base/patient_locks.hpp"

#include <pthread.h>

#include <cerrno>
#include <ctime>

#include "core/base/sanitized.hpp"

namespace gatehouse {

void use_patient_locks() {}

}  // namespace gatehouse

#ifndef GATEHOUSE_SANITIZED

namespace {

// A holder on another CPU is done within these; one on ours needs us to sleep.
constexpr int most_looks = 100;
constexpr timespec nap{.tv_sec = 0, .tv_nsec = 10'000};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// An attempt neither spins nor sleeps, and is as fair as the lock's default: readers first.
int take(pthread_rwlock_t* lock, int (*attempt)(pthread_rwlock_t*)) noexcept {
  int result = attempt(lock);
  for (int looks = 0; result == EBUSY; result = attempt(lock)) {
    if (++looks < most_looks) {
      relax();
    } else {
      const int kept = errno;  // not ours to change
      ::nanosleep(&nap, nullptr);
      errno = kept;
    }
  }
  return result;
}

}  // namespace

// The program's symbols come before the C library's, for libcrypto and libssl, too.
extern "C" int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  return take(lock, &pthread_rwlock_trywrlock);
}
extern "C" int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  return take(lock, &pthread_rwlock_tryrdlock);
}

#endif
