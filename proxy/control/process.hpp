#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.hpp"

/// What the process asks of the system once, at start.
namespace gatehouse::control {

/// Raises the soft limit of open files to the hard one. Returns how many of them connections may
/// use, all together: serve::Surroundings::open_files.
std::size_t raise_open_files();

/// Makes CAP_NET_BIND_SERVICE effective where the program's file only permits it (setcap ...+p): an
/// effective bit on the file would keep the program from starting at all where a container takes
/// the capability away. Call before the first thread starts: capabilities belong to a thread.
/// Without the capability this does nothing; listening on a low port then says what is missing.
void raise_port_capability();

/// Keeps the signals that we answer (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2) from the calling
/// thread and from all threads it starts: they wait until let_signals_in(). A signal thus never
/// finds us without its answer, neither before the first listener nor while everything is taken
/// apart.
void hold_signals();

/// Lets them in on the calling thread, the one that waits for them.
void let_signals_in();

/// Makes `path` (0700) with its parents where it is missing and proves that we can write there.
/// Errors name the directory and what to do.
Result<void> prepare_data_dir(const std::string& path);

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
};
Result<Account> find_account(const std::string& name);

/// Hands `data_dir` (with all that is in it) and `files` to the account, then becomes it: groups,
/// group, user, in that order, for every thread. Does nothing when we are that account already.
Result<void> become(const Account& account, const std::string& data_dir,
                    const std::vector<std::string>& files);

/// Gives the system back what was freed and the C library keeps. Walks all that is free: after much
/// was, on a helper.
void give_back_memory();

}  // namespace gatehouse::control
