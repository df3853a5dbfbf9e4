"""What administrators do, against servers of 3.x and against older ones, which know nothing of those paths."""

from __future__ import annotations

import http.client
import io
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from nacos_core.client import NotFound, ServerRefused, open_client
from nacos_core.client.admin import Admin
from nacos_core.client.servers import parse_servers
from support.client_runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.node_thread import NodeThread


@contextmanager
def of_2x(node: NodeThread) -> Iterator[str]:
    """The URL of what answers like a node of 2.x: there is no v3, and the default namespace has no name."""

    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = urlsplit(self.path)
            names = parse_qs(asked.query, keep_blank_values=True)
            if asked.path.startswith("/nacos/v3/"):
                status, kind, content = 404, "application/json", b'{"status":404,"error":"Not Found","path":"x"}'
            else:
                assert "public" not in (*names.get("tenant", ()), *names.get("namespace", ()))
                connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                status, kind, content = answer.status, answer.headers["Content-Type"], answer.read()
                connection.close()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Old)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("namespace", ["public", "dev"])
@pytest.mark.parametrize("is_old", [False, True], ids=["3.x", "2.x"])
def test_configurations_are_administered(
    backend: str,
    node: NodeThread,
    is_old: bool,
    namespace: str,
) -> None:
    async def work(url: str) -> None:
        async with open_client(node.url, namespace=namespace) as client:
            await client.config.publish("a.yaml", "old: 1\n", type="yaml", tags="t", application="shop")
            await client.config.publish("a.yaml", "new: 1\n", type="yaml", tags="t", application="shop")
            await client.config.publish("b", "other")
        async with Admin(parse_servers(url), namespace) as admin:
            assert [(each.data_id, count) async for each, count in admin.search()] == [("a.yaml", 2), ("b", 2)]
            for wanted in ({"data_id": "a*"}, {"tags": "t"}, {"application": "shop"}, {"content": "*new*"}):
                found = [each async for each, _ in admin.search(**wanted)]
                assert [(each.data_id, each.type, each.application) for each in found] == [("a.yaml", "yaml", "shop")]
            changed, made = await admin.history("a.yaml")
            assert (changed.operation, made.operation) == ("U", "I")
            event = await admin.event("a.yaml", changed.id)
            assert event.content == "old: 1\n"
            assert "-old: 1\n+new: 1\n" in await admin.difference("a.yaml", changed.id, None, "new: 1\n")
            with pytest.raises(NotFound):
                await admin.event("a.yaml", "999")
            file = io.BytesIO()
            assert await admin.export(file) == len(file.getvalue()) > 0
            if namespace == "public":
                imported = await admin.import_(file.getvalue(), policy="OVERWRITE")
                assert imported["succCount"] == 2
            if is_old:
                with pytest.raises(ServerRefused, match="cannot roll back"):
                    await admin.roll_back("a.yaml", changed.id)
            else:
                assert await admin.roll_back("a.yaml", changed.id) == changed_md5(event.content)

    with of_2x(node) as old:
        run(backend, work, old if is_old else node.url)


def changed_md5(content: str | None) -> str:
    import hashlib

    return hashlib.md5((content or "").encode(), usedforsecurity=False).hexdigest()
