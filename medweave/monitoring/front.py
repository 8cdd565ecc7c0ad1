"""One page on loopback: links to the dashboards, the last batches with their pages, and the metrics for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from medweave.monitoring.metrics import FILE as METRICS
from medweave.monitoring.store import PAGE, Batch, BatchStore
from medweave.report.page import render

HOST = "127.0.0.1"
SHOWN = 12
BATCH = re.compile(r"/batches/([a-z0-9_-]+)/([A-Za-z0-9-]+)")
Link = tuple[str, str, str]
"""Name, what it shows, URL."""


def front_server(monitoring: Path, links: Sequence[Link], port: int) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 (`port` 0: any free one) over the folder that holds the tasks' batches.

    `/` is the page, `/metrics` the metrics of all tasks, `/batches/<task>/<id>` a batch's drift.html.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self._answer("text/html", front_page(monitoring, links))
            elif self.path == "/metrics":
                parts = [path.read_text(encoding="utf-8") for path in sorted(monitoring.glob(f"*/{METRICS}"))]
                self._answer("text/plain; version=0.0.4", _joined(parts))
            elif (named := BATCH.fullmatch(self.path)) and (page := _page(monitoring, *named.groups())).is_file():
                self._answer("text/html", page.read_text(encoding="utf-8"))
            else:
                self.send_error(404)

        def _answer(self, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing of requests."""

    return ThreadingHTTPServer((HOST, port), Handler)


def front_page(monitoring: Path, links: Sequence[Link]) -> str:
    """The page as HTML text."""
    return render("dashboard.html.j2", {"links": links, "tasks": _tasks(monitoring)})


def _tasks(monitoring: Path) -> list[tuple[str, list[Batch]]]:
    folders = sorted(path.parent for path in monitoring.glob("*/batches"))
    return [(folder.name, BatchStore(folder).batches()[::-1][:SHOWN]) for folder in folders]


def _page(monitoring: Path, task: str, batch: str) -> Path:
    return monitoring / task / "batches" / batch / PAGE


def _joined(parts: Sequence[str]) -> str:
    """Several tasks' metrics as one text, in which a metric may be described only once and stands in one piece."""
    groups: dict[str, list[str]] = {}
    for line in "".join(parts).splitlines():
        name = line.split()[2] if line.startswith("#") else line.partition("{")[0]
        group = groups.setdefault(name, [])
        if not (line.startswith("#") and line in group):
            group.append(line)
    return "".join(f"{line}\n" for group in groups.values() for line in group)
