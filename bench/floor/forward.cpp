// The least that any proxy does: see forward.hpp.
struct Kept {};
#include "forward.hpp"

static std::string_view for_server(std::string_view octets, bool, Kept&) { return octets; }
static std::string_view for_client(std::string_view octets, Kept&) { return octets; }

int main(int count, char** words) { return forward(count, words); }
