"""Records what an OGX says on both sides, for machines that cannot run one. Run it by hand when its version changes:

    .tools/python/ogx/bin/python tests/sdk/ogx/record.py http://127.0.0.1:PORT-OF-A-SIMULATED-UPSTREAM

The simulated upstream must serve sim-chat, sim/llama-3.1-8b, sim-embed and sim-rerank. `recorded/answers` gets what OGX
answers as a model server, `recorded/requests` what it asks of its provider, both byte for byte as they were sent.
"""

import http.client
import json
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

UPSTREAM = urllib.parse.urlsplit(sys.argv[1])
RECORDED = pathlib.Path(__file__).parent / "recorded"
QUESTION = [{"role": "user", "content": "say something about the sea"}]
asked = {}


class Tap(socketserver.BaseRequestHandler):
    """Hands each request to the upstream on a connection of its own, and keeps the first of each kind."""

    def handle(self):
        while request := read_request(self.request):
            path = request.split(b" ", 2)[1].decode()
            name = path.strip("/").replace("/", "-") + ("-stream" if b'"stream":true' in request else "")
            asked.setdefault(name, re.sub(rb"(?i)(authorization: Bearer )\S+", rb"\1THE-KEY", request))
            self.request.sendall(exchange(UPSTREAM.hostname, UPSTREAM.port, request))
            return


def read_request(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(65536)
        if not piece:
            return b""
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def exchange(host, port, request):
    """The whole answer, up to the end of the connection."""
    request = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", request).replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def start_ogx(provider_port, port, folder):
    base_url = f"http://127.0.0.1:{provider_port}/v1"
    providers = [
        {"provider_id": "sim", "provider_type": "remote::vllm", "config": {"base_url": base_url, "api_token": "any"}}
    ]
    stores = ("inference", "conversations", "prompts", "connectors")
    config = {
        "version": 2,
        "distro_name": "recording",
        "apis": ["inference"],
        "providers": {"inference": providers},
        "storage": {
            "backends": {
                "values": {"type": "kv_sqlite", "db_path": f"{folder}/values.db"},
                "tables": {"type": "sql_sqlite", "db_path": f"{folder}/tables.db"},
            },
            "stores": {"metadata": {"namespace": "registry", "backend": "values"}}
            | {store: {"table_name": store, "backend": "tables"} for store in stores},
        },
        "server": {"host": "127.0.0.1", "port": port},
    }
    file = pathlib.Path(folder) / "config.yaml"
    file.write_text(json.dumps(config))
    program = pathlib.Path(sys.executable).with_name("ogx")
    return subprocess.Popen([program, "run", file, "--insecure"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_ready(port):
    for _ in range(200):
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("GET", "/v1/health")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("OGX did not start")


def ask(port, method, path, body=None):
    """One raw request to OGX, and its raw answer."""
    content = json.dumps(body).encode() if body else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    request = head.encode() + f"content-length: {len(content)}\r\n\r\n".encode() + content
    return exchange("127.0.0.1", port, request)


def keep(kind, name, content):
    folder = RECORDED / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.http").write_bytes(content)


def chat(model="sim/sim-chat", **options):
    return {"model": model, "messages": QUESTION, "user": "sim:tokens-7"} | options


def record_answers(port):
    path = "/v1/chat/completions"
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    cut = streamed | {"user": "sim:fault-cut+fault-after-3"}
    keep("answers", "models", ask(port, "GET", "/v1/models"))
    keep("answers", "chat", ask(port, "POST", path, chat()))
    keep("answers", "stream", ask(port, "POST", path, chat(**streamed)))
    keep("answers", "stream-cut", ask(port, "POST", path, chat(**cut)))
    keep("answers", "unknown-model", ask(port, "POST", path, chat("sim-chat")))


def record_requests(port, provider_port):
    ask(port, "POST", "/v1/embeddings", {"model": "sim/sim-embed", "input": ["one two", "three"]})
    rerank = {"model": "sim/sim-rerank", "query": "the sea", "items": ["a boat", "the sea"]}
    ask(port, "POST", "/v1alpha/inference/rerank", rerank)
    health = pathlib.Path(__file__).with_name("health.py")
    subprocess.run([sys.executable, health, f"http://127.0.0.1:{provider_port}/v1"], check=True)
    for name, request in asked.items():
        keep("requests", name, request)


def main():
    tap = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tap)
    threading.Thread(target=tap.serve_forever, daemon=True).start()
    provider_port = tap.server_address[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        ogx = start_ogx(provider_port, port, folder)
        try:
            wait_ready(port)
            record_answers(port)
            record_requests(port, provider_port)
        finally:
            ogx.terminate()
            ogx.wait(10)


main()
