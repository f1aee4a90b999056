"""`mesh new`: what it writes, refuses, and takes back when something fails half way."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh.cli import main
from mesh.cluster.plan import load
from mesh.scaffold import new_service, writing


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below by its path, empty folders too."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert main.main(["new", "shop"]) == 0
    monkeypatch.chdir(folder / "shop")
    return folder / "shop"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main.main(["new", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_a_project_is_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["new", "shop", "--service", "prices", "--owner", "money", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    shop = folder / "shop"
    files = {str(path.relative_to(shop)) for path in shop.rglob("*") if path.is_file()}
    assert said == {"project": str(shop), "written": sorted(files), "changed": []}
    assert files >= {
        ".ci/run", ".gitignore", "Makefile", "README.md", "cluster.toml", "setup.cfg", "pyproject.toml",
        "requirements-dev.txt", "idl/__init__.py", "idl/prices.thrift", "idl/prices.pyi", "services/prices/__main__.py",
        "services/prices/controllers.py", "services/prices/models.py", "services/prices/service.py",
        "services/prices/views.py", "tests/test_prices.py", "loadtest/__main__.py", "chaos/__main__.py",
    }  # fmt: skip
    assert os.access(shop / ".ci" / "run", os.X_OK)
    assert 'owner = "money"' in (shop / "idl" / "prices.thrift").read_text()
    assert [name for name, text in tree(shop).items() if b"{{" in text] == []
    assert load(shop / "cluster.toml").services["prices"].instances == 2
    assert [path.name for path in folder.iterdir()] == ["shop"]  # nothing half-made beside it
    assert (shop.stat().st_mode & 0o777) == 0o777 & ~writing_mask()


def writing_mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_the_stubs_and_contracts_are_in_order(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["new", "service", "trip_log"]) == 0
    assert main.main(["idl", "build", "--check", "idl"]) == 0
    capsys.readouterr()
    assert main.main(["idl", "check", "idl"]) == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings\n"


def test_a_service_is_added(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(project)
    capsys.readouterr()
    monkeypatch.chdir(project / "idl")  # anywhere in it
    assert main.main(["new", "service", "trip_log", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    after = tree(project)
    changed = {name for name in before if after[name] != before[name]}
    assert sorted(said["changed"]) == sorted(changed) == ["cluster.toml", "setup.cfg"]
    assert {name for name in after if name not in before} == {*said["written"], "services/trip_log"}
    assert said["project"] == str(project)
    assert list(load(project / "cluster.toml").services) == ["greeter", "trip_log"]
    assert 'owner = "shop"' in (project / "idl" / "trip_log.thrift").read_text()


def test_what_stands_there_is_not_touched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "shop").mkdir()
    assert "exists already" in refused(capsys, "shop")
    (folder / "link").symlink_to("nowhere")
    assert "exists already" in refused(capsys, "link")
    assert sorted(path.name for path in folder.iterdir()) == ["link", "shop"]
    assert list((folder / "shop").iterdir()) == []


@pytest.mark.parametrize(
    "taken", ["services/prices", "services/prices.py", "idl/prices.thrift", "idl/prices.pyi", "tests/test_prices.py"]
)
def test_a_service_whose_place_is_taken(project: Path, taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    (project / taken).mkdir()
    before = tree(project)
    capsys.readouterr()
    err = refused(capsys, "service", "prices")
    assert f"{project / taken} exists already" in err
    assert tree(project) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["service"], "say one NAME"),
        (["service", "a", "b"], "say one NAME"),
        (["shop", "till"], "one PROJECT at a time"),
        (["sh.op"], "a project's name"),
        (["nowhere/shop"], "there is no folder"),
        (["."], "exists already"),
        (["service", "prices"], "no project"),
        (["shop", "--service", "class"], "keyword of Python"),
        (["shop", "--owner", 'x"'], "an owner"),
        (["service", "prices", "--service", "x"], "the name stands alone"),
    ],
)
def test_refusals(arguments: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in refused(capsys, *arguments)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("missing", ["idl/__init__.py", "services/__init__.py", "setup.cfg"])
def test_a_folder_that_is_no_project(project: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    (project / missing).unlink()
    capsys.readouterr()
    assert f"has no {missing}" in refused(capsys, "service", "prices")
    assert not (project / "services" / "prices").exists()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("cluster.toml", b"services = {}\n", "cannot be added to"),
        ("cluster.toml", b"\xff\n", "not UTF-8"),
        ("setup.cfg", b"[x]\n", "no import contract"),
        ("setup.cfg", b"x\n", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_added_to(
    project: Path, file: str, text: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / file).write_bytes(text)
    before = tree(project)
    capsys.readouterr()
    assert says in refused(capsys, "service", "prices")
    assert tree(project) == before


@pytest.mark.parametrize("count", range(14))
def test_a_disk_that_fails_half_way_leaves_nothing(
    project: Path, count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a service's nine files and two edits, the one after `count` fails."""
    left = count
    write, replace = writing._write, writing.replace

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise OSError(28, "No space left on device", "disk")

    def counted_write(path: Path, text: str, made: list[Path]) -> None:
        write(path, text[: len(text) // 2], made)  # half of it is there when it fails
        tick()
        path.write_text(text)

    def counted_replace(path: Path, text: str) -> None:
        tick()
        replace(path, text)

    before = tree(project)
    monkeypatch.setattr(writing, "_write", counted_write)
    monkeypatch.setattr("mesh.scaffold.service.replace", counted_replace)
    capsys.readouterr()
    code = main.main(["new", "service", "prices"])
    if count >= 11:
        assert code == 0
        return
    assert code == 2
    assert capsys.readouterr().err == "mesh: disk: cannot be written: No space left on device\n"
    assert tree(project) == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "disk"), KeyboardInterrupt()])
def test_half_a_project_is_not_left(folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "rename", fail)
    assert main.main(["new", "shop"]) in (2, 130)
    assert list(folder.iterdir()) == []


def test_a_read_only_place(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("tempfile.mkdtemp", fail)  # root may write everywhere
    assert refused(capsys, "shop") == f"mesh: {folder}: cannot be written: Permission denied\n"


def test_a_linked_and_private_settings_file_stays_so(project: Path) -> None:
    (project / "setup.cfg").rename(project / "settings")
    (project / "setup.cfg").symlink_to("settings")
    (project / "settings").chmod(0o600)
    assert main.main(["new", "service", "prices"]) == 0
    assert (project / "setup.cfg").is_symlink()
    assert (project / "settings").stat().st_mode & 0o777 == 0o600
    assert "services.prices" in (project / "settings").read_text()


def test_two_at_a_time_are_both_added(project: Path) -> None:
    names = [f"prices_{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: new_service(project, name), names))
    assert set(load(project / "cluster.toml").services) == {"greeter", *names}
    assert all((project / "setup.cfg").read_text().count(f"services.{name}\n") == 2 for name in names)
