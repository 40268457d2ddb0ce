#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/http/message.hpp"

namespace gatehouse::http {

/// The content codings we can write (RFC 9110 §8.4.1, RFC 7932, RFC 8878); `identity` is none.
enum class Coding : std::uint8_t { identity, gzip, br, zstd };

/// As it stands in Content-Encoding.
std::string_view name(Coding coding);

/// What a request's Accept-Encoding says (RFC 9110 §12.5.3). A client that says nothing gets no
/// coding: it may accept any by the letter, but many that are silent cannot read one.
class AcceptedCodings {
 public:
  AcceptedCodings() = default;
  static AcceptedCodings of(const Fields& request);

  /// In thousandths; 0: not acceptable. A coding that is not named counts as `*` does; identity,
  /// where nothing speaks of it, is acceptable and wanted least.
  unsigned weight(Coding coding) const { return weights_[static_cast<std::size_t>(coding)]; }
  /// The most wanted of `offered`, the first of those alike. Identity when none is acceptable, or
  /// when the client would rather have that.
  Coding best_of(std::span<const Coding> offered) const;

 private:
  // By Coding.
  std::array<unsigned, 4> weights_{1000, 0, 0, 0};
};

}  // namespace gatehouse::http
