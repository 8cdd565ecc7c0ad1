"""The same on PostgreSQL, as a team runs MLflow: records, lineage, and two promotions at once."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from medweave.config import Tracking
from medweave.tracking import (
    PromotionDecision,
    RunRecord,
    carry_out,
    connect,
    log_run,
    open_lineage,
    register_model,
    rollback,
    trace,
)
from medweave.tracking.lineage import FOLDER, write_lineage
from tests.tracking.test_champion import PROMOTE, aliases
from tests.tracking.test_lineage import G1, W1, row, write_table

pytestmark = pytest.mark.postgres
NAME = "medweave-demo"
YES = PromotionDecision(True, "yes", {"margin": 0.02})


def postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@pytest.fixture(scope="module")
def database():
    """URI of a fresh PostgreSQL on loopback; a server refuses to run as root, so it runs as nobody then."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed: run 'make setup'")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    data = folder / "data"
    who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if who:
        os.chown(folder, 65534, 65534)
    run = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, "env": {**os.environ, "LC_ALL": "C"}}
    subprocess.run([*who, programs / "initdb", "-D", data, "-U", "medweave", "-A", "trust", "--no-sync"], **run)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    subprocess.run([*who, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **run)
    yield f"postgresql://medweave@127.0.0.1:{port}/postgres"
    subprocess.run([*who, programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **run)
    shutil.rmtree(folder)


def test_runs_lineage_and_promotions_are_as_on_sqlite(database, home, segmenter, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    client = connect(Tracking())
    table = write_table(tmp_path / "t", [G1, W1, row("w3")])
    facts = {"task": "demo", "datasets": {"weak": {"digest": table.digest, "rows": 3, "where": table.root}}}
    write_lineage(tmp_path / FOLDER, [table], facts)
    run_id = log_run(client, RunRecord("demo", artifacts=[tmp_path / FOLDER], metrics={"test/final/dice": 0.5}))
    for digest in ("m1", "m2", "m3"):
        register_model(client, run_id, NAME, segmenter, model_digest=digest, evaluation_digest="e")
    assert open_lineage(client, run_id).facts["labels"]["weak"] == {"made": 1, "learned": 1, "weight": 0.75}
    assert carry_out(client, NAME, 1, YES, None).promoted
    assert [use.version for use in trace(client, "label", W1.label_id).uses] == [1, 2, 3]

    started = [
        subprocess.Popen([sys.executable, "-c", PROMOTE, k], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for k in ("2", "3")
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [process.communicate()[0].startswith("True") for process in started]
    assert sorted(won) == [False, True]
    winner, loser = (2, 3) if won[0] else (3, 2)
    assert aliases(client, NAME) == {"champion": winner, "previous": 1, "challenger": loser}
    assert rollback(client, NAME, "").after == 1
