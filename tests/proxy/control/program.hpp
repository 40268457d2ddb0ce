#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/temporary_folder.hpp"

namespace gatehouse::test {

/// What a finished program left behind.
struct Ended {
  int status = -1;  // exit status; 128 + N for a signal
  std::string out;
  std::string err;
};

/// The gatehouse program under test: started in its folder, with a service manager that listens.
/// Killed with the test when it still runs.
class Program {
 public:
  Program(const TemporaryFolder& folder, std::vector<std::string> arguments,
          const std::string& input = "");
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// The next datagram to the service manager; empty when the program ended without one.
  std::string notified();
  void signal(int number);
  Ended wait();

  /// Runs to the end.
  static Ended run(const TemporaryFolder& folder, std::vector<std::string> arguments,
                   const std::string& input = "");

 private:
  std::string out_;
  std::string err_;
  std::string socket_;
  int manager_ = -1;
  int ended_ = -1;  // pidfd
  pid_t child_ = -1;
};

}  // namespace gatehouse::test
