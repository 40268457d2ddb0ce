#!/usr/bin/env python3
"""Compiles every header of ours on its own: a header includes what it uses of ours.

headers_alone.py COMPILER TOP [FLAG …]. The flags may preinclude the precompiled header of Asio and the
standard library, which is most of the time this takes.
"""
import concurrent.futures
import os
import subprocess
import sys


def main(compiler, top, flags):
    headers = []
    for room in ["core", "config", "acme", "proxy"]:
        for folder, _, names in os.walk(os.path.join(top, room)):
            headers += [os.path.relpath(os.path.join(folder, n), top)
                        for n in names if n.endswith(".hpp")]

    def compile_one(header):
        # Twice: the second one proves the include guard.
        source = f'#include "{header}"\n#include "{header}"\n'
        done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-w", "-I", top, *flags,
                               "-x", "c++", "-"], input=source, capture_output=True, text=True)
        return header, done.returncode, done.stderr

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, status, text in pool.map(compile_one, sorted(headers)):
            if status != 0:
                bad += 1
                print(f"{header} does not compile on its own:\n{text}")
    print(f"{len(headers)} headers compiled on their own, {bad} failed")
    sys.exit(1 if bad or not headers else 0)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
