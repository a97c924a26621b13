"""A server with OpenAI's API that answers at once, or in one of the ways in which servers fail.

Usage: stand_in_server.py PORT [FAULT …] [--until FILE]; with `--until` it is honest once there is
the file. As the servers of ChatGLM do, it counts no tokens if asked not to (`uncounted`).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, *WORDS = sys.argv[1:]
UNTIL = Path(WORDS.pop()) if "--until" in WORDS else None
PIECES = ["我是", "一个", "模型", "。"]


def has(fault: str) -> bool:
    return fault in WORDS and not (UNTIL and UNTIL.exists())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes, length: "int | None" = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True

    def reply_json(self, status: int, value: object) -> None:
        self.reply(status, json.dumps(value).encode())

    def do_GET(self) -> None:
        if has("silent-models"):
            time.sleep(60)
        if has("slow-models"):
            time.sleep(2)
        if has("garbage-models"):
            return self.reply(200, b"<html>")
        name = "other" if has("other-model") else "small"
        return self.reply_json(200, {"object": "list", "data": [{"id": name}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body)
        if "key" in WORDS and self.headers["Authorization"] != "Bearer secret":
            return self.reply_json(401, {"error": "no key"})
        if "messages" not in asked:
            status = 500 if has("refuses-with-500") else 200 if has("takes-all") else 422
            return self.reply_json(status, {"detail": "messages"})
        if has("prints-fault"):
            print("RuntimeError: CNRT error: no device.", flush=True)
        if has("status-500"):
            return self.reply_json(500, {"error": "it broke"})
        if has("busy"):
            return self.reply_json(429, {"error": "busy"})
        if has("drops"):
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if has("hangs"):
            self.reply(200, b"", length=100)
            time.sleep(60)
        if has("drips"):
            self.reply(200, b"", length=10000)
            while True:
                self.wfile.write(b" ")
                time.sleep(0.05)
        if has("cut"):
            return self.reply(200, b'{"choices": [', length=100)
        if has("garbage"):
            return self.reply(200, "�我是 <html>".encode())
        if has("endless"):
            return self.reply(200, b" " * (3 << 20))
        if asked.get("stream"):
            return self.stream()
        text = "".join(PIECES) if not has("other-words") else "不知道"
        # the server of Chinese-LLaMA-Alpaca-2 repeats the question among the choices
        messages = [*asked["messages"], {"role": "assistant", "content": text}]
        answer = {"choices": [{"index": n, "message": m} for n, m in enumerate(messages)]}
        if has("zero-usage"):
            answer["usage"] = {"completion_tokens": 0}
        elif not has("uncounted"):
            answer["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return self.reply_json(200, answer)

    def stream(self) -> None:
        if has("no-stream"):
            return self.reply_json(200, {"choices": []})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = ["不", "知道"] if has("other-words") else PIECES
        pieces = ["".join(pieces)] if has("one-piece") else pieces
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        for number, piece in enumerate(pieces):
            if has("cut-stream") and number == 2:
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
            if has("hangs-streaming") and number == 2:
                time.sleep(60)
            self.chunk(b": ping\r\n\r\n")
            self.event({"choices": [{"index": 0, "delta": {"content": piece}}]})
            time.sleep(0.01)
        if not has("uncounted"):
            self.event({"choices": [], "usage": {"completion_tokens": 4}})
        self.chunk(b"data: [DONE]\r\n\r\n")
        self.chunk(b"")
        self.close_connection = True
        return None

    def event(self, value: object) -> None:
        self.chunk(b"data: " + json.dumps(value).encode() + b"\r\n\r\n")

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()


def main() -> None:
    print("begins", os.getpid(), flush=True)
    if has("has-children"):
        sleeping = [sys.executable, "-c", "import time; time.sleep(300)"]
        children = [subprocess.Popen(sleeping, start_new_session=new) for new in (False, True)]
        print("children", *(child.pid for child in children), flush=True)
    if has("has-orphan"):  # its parent ends before it: it is the container's first process's
        shell = ["sh", "-c", "sleep 0.2 > /dev/null & echo orphan $!"]
        subprocess.run(shell, check=True)
    if has("tells"):
        print(os.environ.get("MLUFLEET_SERVE_KEY_FILE"), *sys.argv, flush=True)
    if has("ignores-sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if has("out-of-memory"):
        sys.exit("RuntimeError: MLU out of memory. Tried to allocate 2.00 GiB")
    if has("exits"):
        sys.exit("ModuleNotFoundError: No module named 'torch_mlu'")
    while has("loads"):
        time.sleep(0.02)
    ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler).serve_forever(0.05)


main()
