import threading
import urllib.error
import urllib.request

import pytest

from medweave.monitoring import write_metrics
from medweave.monitoring.front import front_server
from medweave.monitoring.store import PAGE
from tests.monitoring.conftest import add, batch


@pytest.fixture
def get(store, settings):
    (store.folder(add(store, batch(0, "drift"))) / PAGE).write_text("<h1>page</h1>")
    write_metrics(store, [], {}, [], settings)
    (other := store.root.parent / "other").mkdir()
    (other / "medweave.prom").write_text((store.root / "medweave.prom").read_text().replace("tiny", "other"))
    with front_server(store.root.parent, [("MLflow", "runs", "http://127.0.0.1:1")], 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield lambda path: urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}").read().decode()
        server.shutdown()


def test_the_page_links_dashboards_and_batches(get):
    page = get("/")
    assert '<a href="http://127.0.0.1:1">MLflow</a>' in page and 'href="/batches/tiny/b000"' in page
    assert get("/batches/tiny/b000") == "<h1>page</h1>"


def test_metrics_of_several_tasks_describe_each_metric_once(get):
    lines = get("/metrics").splitlines()
    at = lines.index("# TYPE medweave_verdict gauge")
    assert sorted(lines[at + 1 : at + 3]) == ['medweave_verdict{task="other"} 2.0', 'medweave_verdict{task="tiny"} 2.0']
    assert lines.count("# TYPE medweave_verdict gauge") == 1


@pytest.mark.parametrize("path", ["/batches/tiny/none", "/batches/../b000", "/batches/tiny/..%2F..", "/etc"])
def test_nothing_else_is_served(get, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(path)
