# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP server on loopback that serves a dictionary of files, with ranges, and breaks off where it is told."""

from __future__ import annotations

import http.server
import re
import threading
import typing as t
import urllib.parse
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """`files` by path. `breaks`: after so many bytes of an answer the connection is cut, one number an answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.breaks: list[int] = []
        self.codes: list[int] = []
        self.ranges = True
        self.lengths = True
        self.asked: list[tuple[str, str]] = []

    def handle_error(self, *_unused: object) -> None:
        """A client that was killed is no matter."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def ranges_of(self, path: str) -> list[str]:
        return [said for where, said in self.asked if where == path]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_unused: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        self.path = urllib.parse.unquote(self.path)
        said = self.headers.get("Range") or ""
        server.asked.append((self.path, said))
        if server.codes:
            self._fail(server.codes.pop(0))
        elif self.path not in server.files:
            self._fail(404)
        else:
            self._send(server.files[self.path], server.etags.get(self.path, '"1"'), said)

    def _fail(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes, etag: str, said: str) -> None:
        found = re.match(r"bytes=(\d+)-$", said)
        start = 0
        if found and self.server.ranges and self.headers.get("If-Range") == etag:
            start = int(found.group(1))
            if start >= len(data):
                return self._fail(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if etag:
            self.send_header("ETag", etag)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut = self.server.breaks.pop(0) if self.server.breaks else len(data)
        self.wfile.write(data[start : start + cut])
        return None


@contextmanager
def serving() -> t.Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
