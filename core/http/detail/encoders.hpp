#pragma once

#include "core/http/encoder.hpp"

// One library each; none of their types leaves its file.
namespace gatehouse::http::detail {

std::unique_ptr<Encoder> make_gzip();
std::unique_ptr<Encoder> make_brotli();
std::unique_ptr<Encoder> make_zstd();

}  // namespace gatehouse::http::detail
