"""The names that change, for completion: `python values.py KIND [FIRST]` prints those there are, one a line.

One rule: standard library only and no import of mesh, so that a key press waits for some 50 ms and not for half a
second; and no complaint: what cannot be read gives no names.

    service            of cluster.toml, of the dev clusters that run here, of the registry that MESH_REGISTRY names
    method SERVICE     Service::method of the contracts in idl/ (of the one called SERVICE, where there is one)
    instance           of the dev clusters that run here, and their services
    count              SERVICE= for `mesh scale`
    cluster            the dev clusters of this folder, or of the nearest above it
    interface          this machine's network interfaces
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

MAX_FILES = 500  # contracts that are read for one key press: some 50 ms
MAX_BYTES = 1 << 20
REGISTRY_S = 0.4  # a person waits for it with the key still down
_NOISE = re.compile(r"//[^\n]*|\#[^\n]*|/\*.*?\*/|\"[^\"\n]*\"|'[^'\n]*'", re.DOTALL)
_SERVICE = re.compile(r"\bservice\s+(\w+)[^{]*\{")
_TOKEN = re.compile(r"(\w+)\s*\(|[(){}]")
_NAME = re.compile(r"[\w./:@=-]+")  # whatever else stands in a file or a registry is not handed to a shell


def services() -> Iterator[str]:
    for folder in _up():
        yield from _plan(folder / "cluster.toml")
        yield from _running(folder)
        if (folder / "cluster.toml").exists():
            break
    yield from _registry(os.environ.get("MESH_REGISTRY", ""))


def instances() -> Iterator[str]:
    for state in _states():
        for name, found in dict(state.get("services", {})).items():
            yield str(name)
            yield from (str(one["id"]) for one in found)


def clusters() -> Iterator[str]:
    for folder in _up():
        found = [path.name for path in (folder / ".mesh").glob("*") if path.is_dir()]
        yield from found
        if found:
            return


def methods(service: str) -> Iterator[str]:
    """Those of the contract file named like the service; all there are, where no file is."""
    folder = next((one / "idl" for one in _up() if (one / "idl").is_dir()), None)
    if folder is None:
        return
    files = sorted(folder.rglob("*.thrift"))[:MAX_FILES]
    own = [path for path in files if path.stem == service]
    for path in own or files:
        yield from _methods(path.read_text("utf-8", "replace")[:MAX_BYTES])


def interfaces() -> Iterator[str]:
    yield from sorted(path.name for path in Path("/sys/class/net").glob("*"))


def _methods(text: str) -> Iterator[str]:
    """`Service::method` of each; a word before a parenthesis, outside of all others, that is not `throws`."""
    text = _NOISE.sub(" ", text)
    for service in _SERVICE.finditer(text):
        depth = 0
        for token in _TOKEN.finditer(text, service.end()):
            if token[0] == "}" and depth == 0:
                break
            if token[1] and depth == 0 and token[1] != "throws":
                yield f"{service[1]}::{token[1]}"
            depth += {"(": 1, ")": -1}.get(token[0][-1], 0)


def _up() -> Iterator[Path]:
    here = Path.cwd()
    yield from (here, *here.parents)


def _plan(path: Path) -> Iterator[str]:
    try:
        yield from (str(name) for name in tomllib.loads(path.read_text("utf-8"))["services"])
    except (OSError, ValueError, KeyError, TypeError):
        return


def _running(folder: Path) -> Iterator[str]:
    for path in sorted((folder / ".mesh").glob("*/state.json")):
        try:
            yield from (str(name) for name in json.loads(path.read_text("utf-8"))["services"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _states() -> Iterator[dict[str, dict[str, list[dict[str, object]]]]]:
    for folder in _up():
        paths = sorted((folder / ".mesh").glob("*/state.json"))
        for path in paths:
            try:
                yield json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):
                continue
        if paths:
            return


def _registry(url: str) -> Iterator[str]:
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        for path in sorted(Path(f"{rest}.d").glob("*.json")):
            yield str(json.loads(path.read_text("utf-8"))["service"])
    if scheme not in ("consul", "consul+https"):
        return
    address = rest.partition("?")[0].split(",")[0].rstrip("/")
    address += "" if address.rpartition("]")[2].count(":") else ":8500"
    token = os.environ.get("MESH_TOKEN") or os.environ.get("MESH_CONSUL_TOKEN") or os.environ.get("CONSUL_HTTP_TOKEN")
    request = urllib.request.Request(
        f"{'https' if scheme.endswith('s') else 'http'}://{address}/v1/catalog/services?stale",
        headers={"X-Consul-Token": token} if token else {},
    )
    with urllib.request.urlopen(request, timeout=REGISTRY_S) as answer:
        yield from (name for name in json.loads(answer.read(MAX_BYTES)) if name != "consul")


def main(kind: str, first: str = "") -> None:
    found = {
        "service": services,
        "method": lambda: methods(first),
        "instance": instances,
        "count": lambda: (f"{name}=" for name in services()),
        "cluster": clusters,
        "interface": interfaces,
    }.get(kind)
    names: dict[str, None] = {}
    try:
        for name in found() if found else ():
            names[name] = None
    except Exception:
        pass
    print("\n".join(name for name in names if _NAME.fullmatch(name)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
