"""A stand-in for the hub on this machine: the part of its interface that pushing and fetching a repository uses."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_" + "x" * 34


class HubServer(ThreadingHTTPServer):
    """Keeps repositories in memory; ``(kind, name) -> path -> content``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[tuple[str, str], dict[str, bytes]] = {}
        self.private: dict[tuple[str, str], bool] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_server() -> Iterator[HubServer]:
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if not self._is_logged_in():
            self._json({"error": "Invalid username or password."}, 401)
        elif parts == ["api", "repos", "create"]:
            content = json.loads(body)
            name = (content.get("type") or "model", f"{content['organization']}/{content['name']}")
            self.server.repositories.setdefault(name, {})
            self.server.private[name] = content.get("visibility") == "private"
            self._json({"url": self._place(name), "name": name[1]})
        elif parts == ["api", "validate-yaml"]:
            self._json({"errors": [], "warnings": []})
        elif parts[4] == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif parts[4] == "commit":
            self._commit((parts[1].rstrip("s"), "/".join(parts[2:4])), body)
        else:
            self._json({"error": self.path}, 404)

    def _is_logged_in(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _place(self, name: tuple[str, str]) -> str:
        return f"{self.server.address}/{'datasets/' if name[0] == 'dataset' else ''}{name[1]}"

    def _commit(self, name: tuple[str, str], body: bytes) -> None:
        repository = self.server.repositories[name]
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                assert line["value"]["encoding"] == "base64"
                repository[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self._json({"commitUrl": f"{self._place(name)}/commit/{COMMIT}", "commitOid": COMMIT})

    def do_HEAD(self) -> None:
        self._get(with_content=False)

    def do_GET(self) -> None:
        self._get(with_content=True)

    def _get(self, *, with_content: bool) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if not self._is_logged_in():
            self._json({"error": "Invalid username or password."}, 401)
            return
        if parts[0] == "api":
            name = (parts[1].rstrip("s"), "/".join(parts[2:4]))
            files = self.server.repositories.get(name, {})
            if "tree" in parts:
                self._json([_entry(path, content) for path, content in files.items()])
                return
            siblings = [{"rfilename": path} for path in files]
            information = {"id": name[1], "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            self._json(information, 200 if name in self.server.repositories else 404)
            return
        kind = "dataset" if parts[0] == "datasets" else "model"
        parts = parts[1:] if kind == "dataset" else parts
        content = self.server.repositories.get((kind, "/".join(parts[:2])), {}).get("/".join(parts[4:]))
        if content is None:
            self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_digest(content)}"'}
        self._send(content if with_content else b"", 200, {**headers, "Content-Length": str(len(content))})

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        all_headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        self._send(b"" if self.command == "HEAD" else body, status, all_headers)

    def _send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": _digest(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
