#include "proxy/serve/handlers/media_types.hpp"

#include <doctest/doctest.h>

#include <string>

namespace media_types_test {

using namespace gatehouse::serve;

TEST_CASE("a file's type is told by its ending, in capitals too") {
  CHECK(media_type_of("index.html") == "text/html; charset=utf-8");
  CHECK(media_type_of("a/b.c/APP.JS") == "text/javascript; charset=utf-8");
  CHECK(media_type_of("x.tar.gz") == "application/gzip");
  CHECK(media_type_of("logo.svg") == "image/svg+xml");
  CHECK(media_type_of("7z") == "application/octet-stream");
  CHECK(media_type_of("x.7z") == "application/x-7z-compressed");
  CHECK(media_type_of("x.zst") == "application/zstd");
  for (const char* name : {"README", "a.b/README", "x.", "x.unheardof", "", "x.htmlhtmlhtmlhtml"}) {
    CAPTURE(name);
    CHECK(media_type_of(name) == "application/octet-stream");
  }
}

TEST_CASE("text is what is written as text, whatever it is called") {
  for (const char* type :
       {"text/html", "TEXT/PLAIN; charset=utf-8", "text/event-stream", "application/json",
        "application/problem+json", "image/svg+xml", "application/xhtml+xml;charset=x",
        "application/javascript ; a=b", "application/x-ndjson", "application/yaml"}) {
    CAPTURE(type);
    CHECK(is_text(type));
  }
  for (const char* type :
       {"", "image/png", "application/octet-stream", "application/grpc", "application/grpc+json",
        "application/grpc-web-text+xml", "video/mp4", "application/zip", "multipart/form-data",
        "application/jsonx", "font/woff2"}) {
    CAPTURE(type);
    CHECK_FALSE(is_text(type));
  }
}

}  // namespace media_types_test
