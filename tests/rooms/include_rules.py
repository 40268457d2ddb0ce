#!/usr/bin/env python3
"""Fails on an #include that the house's table of rooms does not allow.

A room may include itself and the rooms on its line; a foreign library has one door. Run with
--self-test the checker first proves that it sees forbidden edges.
"""
import os
import re
import sys

ROOMS = {
    "core/base": [],
    "core/net": ["core/base"],
    "core/tls": ["core/base", "core/net"],
    "core/http": ["core/base", "core/net", "core/tls"],
    "config": ["core/base"],
    "acme": ["core/base", "core/net", "core/tls", "core/http", "config/model.hpp"],
    "proxy/serve": ["core", "config", "acme"],
    "proxy/control": ["core", "config", "acme", "proxy/serve"],
}

# library: (pattern of its headers, files that may include it)
DOORS = {
    "llhttp": (r"llhttp\.h", r"core/http/h1[a-z0-9_]*\.cpp"),
    "nghttp2": (r"nghttp2/", r"core/http/h2[a-z0-9_]*\.cpp"),
    "zlib": (r"zlib\.h", r"core/http/encode_gzip\.cpp"),
    "brotli": (r"brotli/", r"core/http/encode_brotli\.cpp"),
    "zstd": (r"zstd\.h", r"core/http/encode_zstd\.cpp"),
    "toml++": (r"toml\+\+/|toml\.hpp", r"config/(detail/)?parse[a-z0-9_]*\.cpp"),
    "nlohmann/json": (r"nlohmann/", r"acme/wire[a-z0-9_]*\.cpp|proxy/control/[a-z0-9_]+\.cpp"),
    "OpenSSL": (r"openssl/", r"core/tls/(detail/)?[a-z0-9_]+\.cpp|core/tls/handles\.hpp|acme/jws\.cpp"),
    "spdlog": (r"spdlog/", r"core/base/log\.cpp"),
    "CLI11": (r"CLI/", r"proxy/control/[a-z0-9_]+\.cpp"),
    "libpsl": (r"libpsl\.h", r"acme/registered_domain\.cpp"),
    "libidn2": (r"idn2\.h", r"config/[a-z0-9_]+\.cpp"),
    "RE2": (r"re2/", r"core/base/pattern\.cpp"),
    "doctest": (r"doctest", r"tests/.*"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def room_of(path):
    for room in sorted(ROOMS, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return None


def allowed(room, included):
    if included.startswith(room + "/"):
        return True
    return any(included == edge or included.startswith(edge + "/") for edge in ROOMS[room])


def problems_of(path, text):
    found = []
    room = room_of(path)
    for match in INCLUDE.finditer(text):
        quote, included = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        target = room_of(included)
        if room and (target or included.startswith("tests/")) and not allowed(room, included):
            found.append(f"{path}:{line}: {room} may not include {included}")
        if quote == '"' and target and target != room and "/detail/" in included:
            found.append(f"{path}:{line}: {included} is private to {target}")
        for library, (header, door) in DOORS.items():
            if not target and re.match(header, included) and not re.fullmatch(door, path):
                found.append(f"{path}:{line}: {library} has its door elsewhere ({door})")
    return found


def self_test():
    cases = [
        ("core/base/x.hpp", '#include "core/net/stream.hpp"\n', 1),
        ("core/net/x.hpp", '#include "core/base/error.hpp"\n', 0),
        ("acme/x.cpp", '#include "config/load.hpp"\n', 1),
        ("acme/x.cpp", '#include "config/model.hpp"\n', 0),
        ("core/http/x.hpp", '#include <openssl/ssl.h>\n', 1),
        ("core/tls/x.cpp", '#include <openssl/ssl.h>\n', 0),
        ("proxy/serve/x.cpp", '#include "proxy/control/reload.hpp"\n', 1),
        ("proxy/serve/x.cpp", '#include "config/detail/parse.hpp"\n', 1),
    ]
    for path, text, count in cases:
        assert len(problems_of(path, text)) == count, (path, text)


def main(top):
    self_test()
    found, files = [], 0
    for room in ["core", "config", "acme", "proxy"]:
        for folder, _, names in os.walk(os.path.join(top, room)):
            for name in names:
                if name.endswith((".hpp", ".cpp")):
                    path = os.path.relpath(os.path.join(folder, name), top)
                    with open(os.path.join(top, path)) as f:
                        found += problems_of(path, f.read())
                    files += 1
    print("\n".join(found))
    print(f"{files} files read, {len(found)} forbidden includes")
    sys.exit(1 if found or files == 0 else 0)


main(sys.argv[1])
