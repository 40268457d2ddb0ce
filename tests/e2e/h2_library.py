"""Both ends of an exchange in the words of the library h2, for h2_test.py.

    h2_library.py serve               prints its port: answers with 103, 200, an echo and trailers
    h2_library.py ask PORT HOST       in the clear; prints one JSON line of all that came back
"""
import json
import socket
import sys
import threading

import h2.config
import h2.connection
import h2.events


def tell(what):
    print(json.dumps(what), flush=True)


def text(fields):
    decode = lambda part: part.decode() if isinstance(part, bytes) else part
    return {decode(name): decode(value) for name, value in fields}


def serve_one(stream):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    stream.sendall(connection.data_to_send())
    seen = {}
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                seen[event.stream_id] = {"fields": text(event.headers), "body": b"", "trailers": {}}
                connection.send_headers(event.stream_id, [(":status", "103"), ("link", "</style.css>; rel=preload")])
            elif isinstance(event, h2.events.DataReceived):
                seen[event.stream_id]["body"] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                seen[event.stream_id]["trailers"] = text(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                request = seen.pop(event.stream_id)
                request["body"] = request["body"].decode()
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                connection.send_data(event.stream_id, json.dumps(request).encode())
                connection.send_headers(event.stream_id, [("x-sum", "42")], end_stream=True)
        stream.sendall(connection.data_to_send())


def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    tell({"port": listener.getsockname()[1]})
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve_one, args=(stream,), daemon=True).start()


def ask(port, host):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    out = {"interim": [], "body": b"", "trailers": {}}
    with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as stream:
        connection.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", host),
                                    (":path", "/path?query"), ("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2")])
        connection.send_data(1, b"half and ")
        connection.send_data(1, b"half")
        connection.send_headers(1, [("x-check", "7")], end_stream=True)
        stream.sendall(connection.data_to_send())
        ended = False
        while not ended and (data := stream.recv(65536)):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.InformationalResponseReceived):
                    out["interim"].append(text(event.headers))
                elif isinstance(event, h2.events.ResponseReceived):
                    out["fields"] = text(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    out["body"] += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    out["trailers"] = text(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    ended = True
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    raise SystemExit(f"broken: {event}")
            stream.sendall(connection.data_to_send())
        out["settings"] = connection.remote_settings.max_concurrent_streams
    out["body"] = json.loads(out["body"])
    tell(out)


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else ask(*sys.argv[2:])
