#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/http/content_coding.hpp"

namespace gatehouse::http {

/// Puts one body into a content coding, piece by piece. At most about a MiB, whatever the length of
/// the body. One thread.
class Encoder {
 public:
  enum class Until : std::uint8_t {
    taken,    // all of the piece is taken in; what comes out of it may come later
    flushed,  // and all of it has come out: a reader has everything so far
    ended,    // and the body is over
  };
  struct Step {
    std::size_t written = 0;  // octets at the front of `out`
    bool done = false;        // false: call again with the rest of `in` and new room
  };

  virtual ~Encoder() = default;
  /// Begins a body of so many octets, where that is known. False: there is no memory.
  virtual bool begin(std::optional<std::uint64_t> octets) = 0;
  /// Takes what it can off the front of `in`. Nothing: the library failed; the body is spoilt.
  virtual std::optional<Step> encode(std::string_view& in, std::span<char> out, Until until) = 0;
};

/// The encoders of one worker, lent for a body each and used again. Touch it on its worker only; it
/// outlives every Loan.
class Encoders {
 public:
  /// At most so many at a time: past that an answer goes out as it is.
  static constexpr std::size_t most_lent = 256;

  /// Empty: none to be had.
  class Loan {
   public:
    Loan() = default;
    Loan(Loan&& other) noexcept;
    Loan& operator=(Loan&& other) noexcept;
    ~Loan() { give_back(); }
    explicit operator bool() const { return encoder_ != nullptr; }
    Encoder* operator->() const { return encoder_.get(); }
    void give_back();

   private:
    friend class Encoders;
    Loan(Encoders& owner, Coding coding, std::unique_ptr<Encoder> encoder)
        : owner_(&owner), coding_(coding), encoder_(std::move(encoder)) {}
    Encoders* owner_ = nullptr;
    Coding coding_ = Coding::identity;
    std::unique_ptr<Encoder> encoder_;
  };

  /// An encoder at the beginning of a body.
  Loan take(Coding coding, std::optional<std::uint64_t> octets);
  std::size_t lent() const { return lent_; }
  std::size_t idle() const;

 private:
  static constexpr std::size_t most_idle = 8;  // of each coding

  void take_back(Coding coding, std::unique_ptr<Encoder> encoder);

  std::array<std::vector<std::unique_ptr<Encoder>>, 4> idle_;  // by Coding
  std::size_t lent_ = 0;
};

}  // namespace gatehouse::http
