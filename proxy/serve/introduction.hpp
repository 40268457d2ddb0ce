#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>

#include "proxy/serve/backend/plan.hpp"
#include "proxy/serve/request_facts.hpp"

namespace gatehouse::serve {

/// The address the client used to reach us, as far as we see; unspecified where nobody can tell.
asio::ip::address local_address(const ConnectionFacts& facts);

/// What a server of `plan` is told before anything else on a connection for this client: a PROXY
/// header. Empty where the plan wants none. Such a connection is that client's alone.
std::string introduction(const backend::Plan& plan, const RequestFacts& facts);

}  // namespace gatehouse::serve
