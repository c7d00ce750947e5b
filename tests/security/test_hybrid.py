"""The server runs without anybody's code: nothing in its process could load it."""

import ast
import subprocess
import sys
from pathlib import Path

import headrace

SOURCE = Path(headrace.__file__).parent
#: What the server must never load, as the layers say.
FOREIGN = ("headrace.graph", "headrace.engine", "headrace.executors", "headrace.storage", "headrace.launch", "headrace.flows", "headrace.agent")  # fmt: skip
LOADERS = {"cloudpickle", "dill", "marshal", "shelve"}

_RUNNING = """
import asyncio, json, os, signal, sys, threading, urllib.request
from pathlib import Path
from headrace import settings
from headrace.server import app

def started(service):
    def look():
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz").read()
        print(json.dumps(sorted(sys.modules)), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=look).start()

PORT = int(sys.argv[2])
app.serve(settings.Settings(home=Path(sys.argv[1]), port=PORT), started=started)
"""


def test_a_running_server_has_loaded_nothing_that_loads_code(tmp_path: Path, free_port: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUNNING, str(tmp_path), str(free_port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(ast.literal_eval(done.stdout))
    assert {module for module in modules if module.startswith(FOREIGN)} == set()
    assert "cloudpickle" not in modules
    assert "alembic" not in modules
    assert "headrace.server.runs" in modules


def test_the_servers_source_imports_no_loader_and_evaluates_nothing() -> None:
    for path in [*SOURCE.glob("server/**/*.py"), *SOURCE.glob("web/**/*.py"), *SOURCE.glob("wire/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & (LOADERS | {"pickle"}), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, path
