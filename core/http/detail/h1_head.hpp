#pragma once

#include <cstdint>
#include <string_view>

#include "core/http/message.hpp"

// What request heads and response heads share.
namespace gatehouse::http::detail {

enum class HeadKind : std::uint8_t { request, response };

/// What llhttp thinks of a whole head. It must agree that the head ends where we say; what it is
/// known to let pass (spaces, versions, hosts, codings) is checked by us. It takes as long as all
/// else that is done with a head, so it is asked only where a head that we accept is an unusual
/// one: by its method, by the form of its target, or by its framing. With the others it is known to
/// agree: the fuzz targets h1_request and h1_response hold both to that.
struct Opinion {
  bool fine = false;
  bool unknown_method = false;
  std::string_view name;  // of its error
};
Opinion second_opinion(HeadKind kind, std::string_view head);

/// What the fields say about where the body ends (RFC 9112 §6).
struct Framing {
  std::size_t length_lines = 0;
  std::size_t coding_lines = 0;
  std::uint64_t length = 0;
  bool bad_length = false;
  bool bad_coding = false;
  std::size_t codings = 0;
  std::size_t chunked = 0;
  bool chunked_last = false;
};

/// Takes the framing fields out, because they are told by BodyLength from here on.
Framing take_framing(Fields& fields);

}  // namespace gatehouse::http::detail
