"""A hub of one's own: the endpoint from which huggingface_hub fetches files, over repositories in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

WANTED = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class Hub:
    """Files by repository and revision; `log` holds the method and path of each request."""

    url: str = ""
    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def add(self, repository: str, revision: str, files: dict[str, bytes]) -> str:
        """Lay files under a revision, and under their commit, which is returned."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
        self.repositories.setdefault(repository, {}).update({revision: files, commit: files})
        return commit

    def commit(self, repository: str, revision: str) -> str:
        """The commit of a revision."""
        revisions = self.repositories[repository]
        return next(name for name, files in revisions.items() if len(name) == 40 and files is revisions[revision])

    def find(self, path: str) -> tuple[int, str, str, bytes]:
        """Status, the code of an error, the commit, the content."""
        wanted = WANTED.fullmatch(path)
        if wanted is None or wanted["repository"] not in self.repositories:
            return 404, "RepoNotFound", "", b""
        if wanted["repository"] in self.gated:
            return 403, "GatedRepo", "", b""
        files = self.repositories[wanted["repository"]].get(wanted["revision"])
        if files is None:
            return 404, "RevisionNotFound", "", b""
        commit = self.commit(wanted["repository"], wanted["revision"])
        if wanted["file"] not in files:
            return 404, "EntryNotFound", commit, b""
        return 200, "", commit, files[wanted["file"]]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that listens on this machine while the block runs."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            hub.log.append(f"{self.command} {self.path}")
            status, code, commit, content = hub.find(self.path)
            self.send_response(status)
            for name, value in {
                "X-Error-Code": code,
                "X-Repo-Commit": commit,
                "ETag": f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"',
                "Content-Length": str(len(content)),
            }.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            return content

        def log_message(self, *arguments: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
