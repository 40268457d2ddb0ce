#include "core/base/patient_locks.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/base/sanitized.hpp"

namespace gatehouse::patient_locks_test {
namespace {

struct Lock {
  Lock() { REQUIRE(::pthread_rwlock_init(&native, nullptr) == 0); }
  ~Lock() { ::pthread_rwlock_destroy(&native); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  pthread_rwlock_t native;
};

TEST_CASE("who writes is alone, who reads is not, and everybody has a turn") {
  use_patient_locks();
  Lock lock;
  long written = 0;  // two halves of one thing
  long again = 0;
  std::atomic<long> torn{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2000; ++turn) {
        ::pthread_rwlock_wrlock(&lock.native);
        ++written;
        if (turn % 100 == 0) std::this_thread::yield();
        ++again;
        ::pthread_rwlock_unlock(&lock.native);
        ::pthread_rwlock_rdlock(&lock.native);
        if (written != again) ++torn;
        ::pthread_rwlock_unlock(&lock.native);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(written == 8000);
  CHECK(again == 8000);
  CHECK(torn == 0);
}

TEST_CASE("a lock may be read twice by one thread while another waits to write") {
  Lock lock;
  REQUIRE(::pthread_rwlock_rdlock(&lock.native) == 0);
  REQUIRE(::pthread_rwlock_rdlock(&lock.native) == 0);
  bool written = false;
  std::thread writer([&] {
    ::pthread_rwlock_wrlock(&lock.native);
    written = true;
    ::pthread_rwlock_unlock(&lock.native);
  });
  CHECK_FALSE(written);
  REQUIRE(::pthread_rwlock_rdlock(&lock.native) == 0);
  for (int i = 0; i < 3; ++i) ::pthread_rwlock_unlock(&lock.native);
  writer.join();
  CHECK(written);
}

#ifndef GATEHOUSE_SANITIZED
TEST_CASE("libraries wait by ours, not by the C library's") {
  use_patient_locks();
  for (const char* name : {"pthread_rwlock_wrlock", "pthread_rwlock_rdlock"}) {
    CAPTURE(name);
    Dl_info where{};
    REQUIRE(::dladdr(::dlsym(RTLD_DEFAULT, name), &where) != 0);
    CHECK(std::string(where.dli_fname).find("libc.so") == std::string::npos);
  }
}
#endif

}  // namespace
}  // namespace gatehouse::patient_locks_test
