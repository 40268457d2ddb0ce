#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"

namespace gatehouse::serve {

/// Whether a call may wait for a disk or a network. On a worker it must not: what is not in memory
/// is asked for again on a thread that may.
enum class Patience : std::uint8_t { none, wait };

/// An open descriptor. Moves; closes when it dies.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  explicit operator bool() const { return number_ >= 0; }
  int number() const { return number_; }

 private:
  int release();
  int number_ = -1;
};

/// What opening a name came to.
enum class Opening : std::uint8_t {
  file,
  folder,
  absent,     // no such thing, nothing we serve (a pipe, a device), or a way out of the root
  forbidden,  // the system does not let us
  cold,       // with Patience::none: what is there is not in memory
  failed,     // out of descriptors, a broken disk
};

/// A regular file, open for reading.
class OpenFile {
 public:
  OpenFile() = default;
  OpenFile(Descriptor descriptor, std::uint64_t size, std::int64_t modified_ns)
      : descriptor_(std::move(descriptor)), size_(size), modified_ns_(modified_ns) {}

  std::uint64_t size() const { return size_; }  // when it was opened
  std::int64_t modified_ns() const { return modified_ns_; }
  /// In whole seconds, as HTTP dates go.
  Wall modified() const;

  /// Octets read into the front of `into`; 0: the file ends there; -1: see errno, EAGAIN with
  /// Patience::none when they are not in memory.
  std::int64_t read(std::uint64_t at, std::span<char> into, Patience patience) const;

 private:
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ns_ = 0;
};

/// The folder that a route serves, opened anew for each request: a deployment that puts another
/// folder in its place counts from the next one on.
class ServedFolder {
 public:
  struct Entry {
    Opening what = Opening::absent;
    OpenFile file;    // of Opening::file
    std::string why;  // for the log, where there is nothing to serve
  };

  /// `what` is Opening::folder where the root is one.
  Entry open_root(const std::string& path, Patience patience);
  /// `name` below the root, "" for the root itself. Symbolic links count only as far as they stay
  /// below it; that is the kernel's judgement, made while it opens, so nobody can change a part of
  /// the way between a look and the opening.
  Entry open(const std::string& name, Patience patience) const;

 private:
  Descriptor root_;
};

namespace detail {

/// The same for kernels without openat2(): step by step, and no symbolic link at all. The
/// descriptor, or -1 with errno set.
int open_by_steps(int root, std::string_view name);

}  // namespace detail

}  // namespace gatehouse::serve
