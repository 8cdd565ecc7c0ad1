"""A Kubernetes API server that runs each Job's command as a process: what ZenML's orchestrator asks, and no more."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from base64 import b64decode
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[2]
GPU = "nvidia.com/gpu"
OWN_FOLDERS = ("ZENML_CONFIG_PATH", "MEDWEAVE_HOME")
"""Variables that name a folder in one of the pod's volumes."""
NOT_OF_PODS = ("ZENML_", "MLFLOW_", "MEDWEAVE_", "AWS_")
Object = dict[str, Any]


class Cluster:
    """Objects by kind and name, one namespace, and the processes of its pods.

    What is asked for is answered unless it is in `denied` or `over_quota` (`verb resource`; access reviews know of the
    former alone), or comes without `token`. Pods that ask for GPUs stay pending while `gpus` is 0, and those of an
    image in `missing_images` cannot pull it. `peaks` are the most bytes of memory that a pod had.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.namespace, self.token = folder, "medweave", "secret"
        self.gpus, self.denied, self.missing_images, self.refusal = 0, set(), set(), None
        self.over_quota: set[str] = set()
        self.objects: dict[str, dict[str, Object]] = {
            kind: {} for kind in ("jobs", "cronjobs", "pods", "secrets", "events", "serviceaccounts", "nodes")
        }
        self.logs: dict[str, Path] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.peaks: dict[str, int] = {}
        self.lock = threading.RLock()
        self.threads: list[threading.Thread] = []
        self.port = port
        self.start()

    def start(self) -> None:
        """Answer; `stop` ends it, while pods go on."""
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Bound", (Handler,), {"cluster": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def kubeconfig(self, path: Path, token: str | None = None) -> Path:
        host, port = self.server.server_address[:2]
        part = {"cluster": {"server": f"http://{host}:{port}"}, "user": {"token": token or self.token}}
        context = {"cluster": "it", "user": "it", "namespace": self.namespace}
        config = {
            "clusters": [{"name": "it", "cluster": part["cluster"]}],
            "users": [{"name": "it", "user": part["user"]}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def close(self) -> None:
        """End all pods; a Job that is not there any more starts no other."""
        with self.lock:
            self.objects["jobs"].clear()
            for process in self.processes.values():
                process.kill()
        for thread in self.threads:
            thread.join()
        self.stop()

    def add(self, kind: str, item: Object) -> Object:
        metadata = item.setdefault("metadata", {})
        name = metadata.setdefault("name", metadata.get("generateName", "x") + uuid.uuid4().hex[:8])
        with self.lock:
            if name in self.objects[kind]:
                raise Refused(409, f"{kind} {name} already exists")
            metadata.update(uid=str(uuid.uuid4()), namespace=self.namespace, creationTimestamp=now())
            item.setdefault("status", {})
            self.objects[kind][name] = item
        if kind == "jobs":
            thread = threading.Thread(target=self._run_job, args=(item,), name=name)
            self.threads.append(thread)
            thread.start()
        return item

    def delete(self, kind: str, name: str) -> Object:
        with self.lock:
            if name not in self.objects[kind]:
                raise Refused(404, f"{kind} {name} not found")
            item = self.objects[kind].pop(name)
            if kind == "jobs":
                for pod in [pod for pod in self.objects["pods"].values() if owner(pod) == name]:
                    self.delete("pods", pod["metadata"]["name"])
            if kind == "pods" and (process := self.processes.get(name)):
                process.send_signal(signal.SIGTERM)
        return item

    def tick(self, cron_job: str) -> str:
        """Start a CronJob's Job as at its time; returns the Job's name."""
        template = json.loads(json.dumps(self.objects["cronjobs"][cron_job]["spec"]["jobTemplate"]))
        template.setdefault("metadata", {}).update(name=f"{cron_job}-{uuid.uuid4().hex[:6]}")
        return str(self.add("jobs", template)["metadata"]["name"])

    def finish(self, job: str) -> None:
        """Return when a Job's pods have ended."""
        next(thread for thread in self.threads if thread.name == job).join()

    def _run_job(self, job: Object) -> None:
        name, limit = job["metadata"]["name"], job["spec"].get("backoffLimit", 6)
        if self.refusal:
            about = {"involvedObject": {"name": name}, "reason": "FailedCreate", "message": self.refusal}
            self.add("events", {"metadata": {}, **about})
            return
        failures = 0
        while failures <= limit and name in self.objects["jobs"]:
            template = json.loads(json.dumps(job["spec"]["template"]))
            template.setdefault("metadata", {})["name"] = f"{name}-{uuid.uuid4().hex[:5]}"
            pod = self.add("pods", {**template, "status": {"phase": "Pending"}})
            pod["metadata"].setdefault("labels", {}).update({"job-name": name, "batch.kubernetes.io/job-name": name})
            pod["metadata"]["ownerReferences"] = [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name,
                    "uid": job["metadata"]["uid"],
                    "controller": True,
                }
            ]
            status = self._run_pod(pod)
            if status is None:
                return
            if status == 0:
                job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
                return
            failures += 1
        job["status"]["conditions"] = [{"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}]

    def _run_pod(self, pod: Object) -> int | None:
        """Exit status of the pod's process; None when it is not started."""
        (container,), name = pod["spec"]["containers"], pod["metadata"]["name"]
        asked = container.get("resources", {}).get("limits", {})
        if int(asked.get(GPU, 0)) > self.gpus:
            told = f"0/1 nodes are available: 1 Insufficient {GPU}."
            pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": told}]
            return None
        if container["image"] in self.missing_images:
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": f"pulling {container['image']}: not found"}}
            pod["status"]["containerStatuses"] = [{"name": "main", "image": "i", "imageID": "", "ready": False,
                                                   "restartCount": 0, "state": waiting}]  # fmt: skip
            return None
        self.logs[name] = self.folder / f"{name}.log"
        with self.logs[name].open("wb") as log:
            command = [*container["command"], *container.get("args", [])]
            process = subprocess.Popen(command, env=self._environment(pod, container), stdout=log, stderr=log)
        self.processes[name] = process
        pod["status"]["phase"] = "Running"
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.peaks[name] = usage.ru_maxrss * 1024
        pod["status"]["phase"] = "Failed" if process.returncode else "Succeeded"
        return process.returncode

    def _environment(self, pod: Object, container: Object) -> dict[str, str]:
        """The container's variables; their paths in volumes lie in folders of the pod's own."""
        folders = {}
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" in volume:
                folders[volume["name"]] = Path(tempfile.mkdtemp(dir=self.folder))
        found = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OF_PODS)}
        found["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), found["PATH"]])
        for source in container.get("envFrom", []):
            secret = self.objects["secrets"].get(source["secretRef"]["name"], {"data": {}})
            found.update({key: b64decode(value).decode() for key, value in secret["data"].items()})
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                data = self.objects["secrets"][reference["name"]]["data"]
                found[variable["name"]] = b64decode(data[reference["key"]]).decode()
                continue
            value = variable.get("value", "")
            for mount in container.get("volumeMounts", []) if variable["name"] in OWN_FOLDERS else ():
                if value.startswith(mount["mountPath"] + "/") or value == mount["mountPath"]:
                    folder = folders.get(mount["name"])
                    value = value.replace(mount["mountPath"], str(folder), 1) if folder else value
            found[variable["name"]] = value
        path = os.pathsep.join([str(Path(__file__).parent / "pod"), str(ROOT), os.environ.get("PYTHONPATH", "")])
        return {**found, "POD_NAME": pod["metadata"]["name"], "PYTHONPATH": path}


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """HTTP of the objects."""

    cluster: Cluster
    PATH = re.compile(r"/(?:api/v1|apis/batch/v1)/(?:namespaces/([\w-]+)/)?(\w+)(?:/([\w.-]+))?(?:/(\w+))?$")
    VERBS: ClassVar = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def handle_any(self) -> None:
        try:
            answer = self._answer()
            status = 200
        except Refused as refused:
            status, answer = refused.status, {"kind": "Status", "message": str(refused), "code": refused.status}
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def _answer(self) -> Object | str:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        cluster, url = self.cluster, urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {cluster.token}":
            raise Refused(401, "Unauthorized")
        if url.path.startswith("/version"):
            return {"major": "1", "minor": "32", "gitVersion": "v1.32.4", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}  # fmt: skip
        if url.path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            return {**body, "status": {"allowed": f"{asked['verb']} {asked['resource']}" not in cluster.denied}}
        if found := re.fullmatch(r"/api/v1/namespaces/([\w-]+)", url.path):
            if found[1] != cluster.namespace:
                raise Refused(404, f"namespaces {found[1]} not found")
            return {"metadata": {"name": found[1]}}
        path = self.PATH.fullmatch(url.path)
        if path is None:
            raise Refused(404, f"nothing at {url.path}")
        _, kind, name, part = path.groups()
        verb = self.VERBS[self.command] if name or self.command == "POST" else "list"
        if f"{verb} {kind}" in cluster.denied:
            raise Refused(403, f"you may not {verb} {kind}")
        if f"{verb} {kind}" in cluster.over_quota:
            raise Refused(403, f"exceeded quota: {kind}")
        if part == "log":
            if name not in cluster.logs:
                raise Refused(400, f"container of {name} has no log")
            return cluster.logs[name].read_text()
        with cluster.lock:
            return self._objects(verb, kind, name, body, {key: value[0] for key, value in parse_qs(url.query).items()})

    def _objects(self, verb: str, kind: str, name: str | None, body: Object, query: dict[str, str]) -> Object:
        held = self.cluster.objects[kind]
        if verb == "list":
            return {"items": [item for item in held.values() if selected(item, query)]}
        if verb == "create":
            return self.cluster.add(kind, body)
        if name not in held:
            raise Refused(404, f"{kind} {name} not found")
        if verb == "delete":
            return self.cluster.delete(kind, name)
        if verb in ("patch", "update"):
            merge(held[name], body)
        return held[name]


def selected(item: Object, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    wanted = dict(pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair)
    for field, value in (pair.split("=", 1) for pair in query.get("fieldSelector", "").split(",") if pair):
        node: Any = item
        for key in field.split("."):
            node = node.get(key, {})
        if node != value:
            return False
    return wanted.items() <= labels.items()


def merge(into: Object, change: Object) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif value is not None:
            into[key] = value


def owner(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get("job-name"))


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
