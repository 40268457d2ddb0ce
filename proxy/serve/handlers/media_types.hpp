#pragma once

#include <string_view>

namespace gatehouse::serve {

/// What a file of that name holds, with its charset where it is text: a value of Content-Type.
/// `application/octet-stream` for endings nobody told us of.
std::string_view media_type_of(std::string_view file_name);

/// Whether a Content-Type says text, so that a content coding makes it shorter: text itself and
/// what is written as text (JSON, XML, scripts, SVG). Never gRPC, whose messages are framed inside.
bool is_text(std::string_view content_type);

}  // namespace gatehouse::serve
