"""A gRPC server and a client of it, for grpc_test.py; needs grpcio.

    grpc_peer.py serve                   prints its port, then one JSON line an event
    grpc_peer.py call TARGET ROOT        every kind of call; prints one JSON line of outcomes
"""
import concurrent.futures
import json
import sys
import threading
import time

import grpc


def tell(what):
    print(json.dumps(what), flush=True)


# --- the server: messages are octets, as the calls make of them what they like

def unary(request, context):
    context.set_trailing_metadata((("x-sum", str(len(request))), ("x-bytes-bin", b"\x00\xff")))
    fields = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-seen", fields.get("x-sent", "")),))
    return request[::-1]


def server_stream(request, context):
    for number in range(int(request)):
        yield f"part {number}".encode()


def client_stream(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def bidi(requests, context):
    for request in requests:
        yield b"echo " + request


def fail(request, context):
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not today: 100 % ü")


def hang(request, context):
    gone = threading.Event()
    context.add_callback(gone.set)
    tell({"event": "begun", "remaining": context.time_remaining()})
    gone.wait(60)
    tell({"event": "gone"})
    return b""


def hang_stream(request, context):
    yield b"first"
    hang(request, context)


def serve():
    handlers = grpc.method_handlers_generic_handler("test.Echo", {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "FailStream": grpc.unary_stream_rpc_method_handler(fail),
        "Hang": grpc.unary_unary_rpc_method_handler(hang),
        "HangStream": grpc.unary_stream_rpc_method_handler(hang_stream),
    })
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=32), options=[
        ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tell({"port": port})
    server.wait_for_termination()


# --- the client

def error_of(call):
    try:
        result = call()
        if hasattr(result, "__iter__") and not isinstance(result, bytes):
            list(result)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return None


def call(target, root):
    with open(root, "rb") as f:
        credentials = grpc.ssl_channel_credentials(f.read())
    channel = grpc.secure_channel(target, credentials, options=[
        ("grpc.ssl_target_name_override", "grpc.localhost"), ("grpc.default_authority", "grpc.localhost"),
        ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
        ("grpc.enable_retries", 0)])
    out = {}
    unary_call = channel.unary_unary("/test.Echo/Unary")
    answer, told = unary_call.with_call(b"hello", metadata=(("x-sent", "by the client"),), timeout=30)
    out["unary"] = [answer.decode(), dict(told.initial_metadata()).get("x-seen"), told.code().name,
                    {key: value.hex() if isinstance(value, bytes) else value
                     for key, value in told.trailing_metadata()}]
    big = bytes(range(256)) * (40 << 10)
    out["large"] = unary_call(big, timeout=60) == big[::-1]
    out["many"] = len({unary_call.future(str(i).encode(), timeout=60).result() for i in range(300)})
    out["server_stream"] = [part.decode() for part in channel.unary_stream("/test.Echo/ServerStream")(b"3", timeout=30)]
    out["long_stream"] = sum(1 for _ in channel.unary_stream("/test.Echo/ServerStream")(b"5000", timeout=60))
    out["client_stream"] = channel.stream_unary("/test.Echo/ClientStream")(
        (b"x" * size for size in (1, 10, 100000)), timeout=30).decode()

    # Each answer is waited for before the next request is sent.
    turns = threading.Semaphore(1)

    def requests():
        for number in range(100):
            turns.acquire()
            yield str(number).encode()
    heard = []
    for answer in channel.stream_stream("/test.Echo/Bidi")(requests(), timeout=60):
        heard.append(answer)
        turns.release()
    out["bidi"] = heard == [f"echo {number}".encode() for number in range(100)]

    out["fail"] = error_of(lambda: channel.unary_unary("/test.Echo/Fail")(b"", timeout=30))
    out["fail_stream"] = error_of(lambda: channel.unary_stream("/test.Echo/FailStream")(b"", timeout=30))
    out["no_method"] = error_of(lambda: channel.unary_unary("/test.Echo/None")(b"", timeout=30))
    began = time.monotonic()
    out["deadline"] = error_of(lambda: channel.unary_unary("/test.Echo/Hang")(b"", timeout=1))[0]
    out["deadline_in_time"] = time.monotonic() - began < 10
    stream = channel.unary_stream("/test.Echo/HangStream")(b"", timeout=60)
    out["first"] = next(stream).decode()
    stream.cancel()
    out["cancelled"] = stream.code().name
    tell(out)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        call(*sys.argv[2:])
