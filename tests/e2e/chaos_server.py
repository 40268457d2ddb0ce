"""A server that misbehaves as the file MODE says, read anew for every request:

ok, reset (breaks the connection), garbage, silent, cut (breaks it inside the body), close (closes it after
the answer without saying so), or a status. Every request that arrived is a line in SEEN.

usage: chaos_server.py PORT MODE SEEN NAME
"""
import asyncio
import os
import socket
import struct
import sys

PORT, MODE, SEEN, NAME = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
seen = os.open(SEEN, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def mode():
    with open(MODE) as f:
        return f.read().strip()


def reset(writer):
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = 0
            for line in head.split("\r\n")[1:]:
                if line.lower().startswith("content-length:"):
                    length = int(line.split(":")[1])
            await reader.readexactly(length)
            method, target, _ = head.split("\r\n")[0].split(" ")
            os.write(seen, f"{method} {target} {NAME}\n".encode())
            now = mode() if target != "/up" else mode().replace("close", "ok")
            if now == "reset":
                return reset(writer)
            if now == "silent":
                await asyncio.sleep(3600)
            if now == "garbage":
                writer.write(b"\x00\xff not HTTP at all\r\n\r\n")
                await writer.drain()
                return writer.close()
            body = f"{target} by {NAME}".encode() + b"." * 2000
            if now == "cut":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:1000])
                await writer.drain()
                return writer.close()
            status = b"200 OK" if now in ("ok", "close") else now.encode() + b" So"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
            await writer.drain()
            if now == "close":
                return writer.close()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=512) as server:
        await server.serve_forever()


asyncio.run(main())
