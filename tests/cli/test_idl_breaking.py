"""`mesh idl breaking`: what it compares, what it prints, what it lets pass, and what it refuses."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest

from mesh.cli import idl_breaking
from mesh.cli.exits import CommandError
from mesh.cli.idl_ignores import Ignores, load_ignores
from mesh.cli.main import main

OLD = """include "geo.thrift"
struct Ask { 1: required double km, 2: optional string tip }
service Pricing { geo.Point quote(1: Ask request) (timeout_ms = "500") }
"""
GEO = "struct Point { 1: required double lat }"
TODAY = datetime.date(2026, 11, 22)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `old` and `new`, which are the same."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pricing.thrift").write_text(OLD, "utf-8")
        (tmp_path / name / "geo.thrift").write_text(GEO, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")


def breaking(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["idl", "breaking", *args])
    return code, *capsys.readouterr()


# -- what it says


def test_nothing_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert breaking(capsys, "old", "new") == (
        0, "2 contracts compared: 0 wire, 0 source, 0 promise, 0 info\n", "",
    )  # fmt: skip


def test_changes_stand_under_their_file_and_service(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "pricing.thrift", "required double km", "required string km")
    edit(folder / "new" / "pricing.thrift", '"500"', '"400"')
    edit(folder / "new" / "geo.thrift", "required double lat", "required double lat, 2: optional i32 h")
    code, out, err = breaking(capsys, "old", "new")
    assert (code, err) == (1, "")
    assert out == (
        "pricing.thrift, service pricing\n"
        "  wire    Pricing::quote, Ask.km: was double, is now string: a new server refuses requests of old callers"
        "  [field-type-changed]\n"
        "  promise Pricing::quote: timeout_ms was 500, is now 400  [timeout-shorter]\n"
        "\n"
        "2 contracts compared: 1 wire, 0 source, 1 promise, 1 info\n"
    )
    assert "h: is new (i32)" in breaking(capsys, "old", "new", "--all")[1]


def test_a_change_in_an_included_file_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "geo.thrift", "double lat", "i64 lat")
    out = breaking(capsys, "old", "new")[1]
    assert out.startswith("geo.thrift, service pricing\n  wire    Pricing::quote, Point.lat: was double, is now i64")
    assert "1 wire, 0 source" in out


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "geo.thrift", "double lat", "i64 lat")
    code, out, _ = breaking(capsys, "old", "new", "--json")
    said = json.loads(out)
    assert (code, said["breaking"], said["idle_ignores"]) == (1, True, [])
    (change,) = said["changes"]
    told = {key: change[key] for key in ("level", "code", "contract", "service", "method", "struct", "field", "path")}
    assert told == {
        "level": "wire", "code": "field-type-changed", "contract": "geo", "service": "pricing",
        "method": "Pricing::quote", "struct": "Point", "field": "lat", "path": "result.lat",
    }  # fmt: skip
    assert (change["old"], change["new"], change["fails"], change["ignored"]) == ("double", "i64", True, None)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (("double km", "string km"), (1, 1, 1)),
        ((", 2: optional string tip", ""), (0, 1, 1)),
        (('"500"', '"400"'), (0, 0, 1)),
        (('"500"', '"600"'), (0, 0, 0)),
    ],
)
def test_a_level_fails_with_those_that_are_worse(
    folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], codes: tuple[int, ...]
) -> None:
    edit(folder / "new" / "pricing.thrift", *change)
    found = tuple(breaking(capsys, "old", "new", "--level", level)[0] for level in ("wire", "source", "promise"))
    assert found == codes
    assert breaking(capsys, "old", "new")[0] == codes[-1], "the default is promise"


def test_who_goes_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "geo.thrift", "required double lat", "required double lat, 2: required i32 h")
    assert breaking(capsys, "old", "new", "--level", "wire")[0] == 1
    assert breaking(capsys, "old", "new", "--level", "wire", "--first", "server")[0] == 0


def test_two_files_of_any_name_are_versions_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old" / "pricing.thrift").rename(folder / "old" / "was.thrift")
    assert breaking(capsys, "old/was.thrift", "new/pricing.thrift")[0] == 0


def test_a_file_that_is_gone_and_one_that_is_new(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new" / "pricing.thrift").rename(folder / "new" / "prices.thrift")
    code, out, _ = breaking(capsys, "old", "new", "--all")
    assert code == 1
    assert "wire    the file is gone, and with it the service Pricing  [contract-removed]" in out
    assert "the file is new  [contract-added]" in out


def test_colour_is_for_terminals(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder / "new" / "pricing.thrift", "double km", "string km")
    assert "\x1b" not in breaking(capsys, "old", "new")[1]
    monkeypatch.setattr(idl_breaking.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31mwire    \x1b[0m" in breaking(capsys, "old", "new")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in breaking(capsys, "old", "new")[1]


# -- what it lets pass

IGNORED = """
[[ignore]]
code = "field-type-changed"
method = "Pricing::quote"
field = "km"
reason = "nobody sent it"
"""


def test_an_ignored_change_passes_and_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "pricing.thrift", "double km", "string km")
    (folder / ".idl-breaking.toml").write_text(IGNORED, "utf-8")
    code, out, err = breaking(capsys, "old", "new")
    assert (code, out, err) == (0, "2 contracts compared: 0 wire, 0 source, 0 promise, 0 info, 1 ignored\n", "")
    assert "ignored Pricing::quote, Ask.km: was double" in breaking(capsys, "old", "new", "--all")[1]
    assert "because: nobody sent it" in breaking(capsys, "old", "new", "--all")[1]
    assert json.loads(breaking(capsys, "old", "new", "--json")[1])["changes"][0]["ignored"] == "nobody sent it"


def test_an_entry_that_matches_nothing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "some.toml").write_text(IGNORED, "utf-8")
    code, _, err = breaking(capsys, "old", "new", "--ignore", "some.toml")
    assert (code, err) == (
        0,
        "mesh: some.toml: entry 1 (code = field-type-changed, method = Pricing::quote, field = km) matches nothing; "
        "take it out\n",
    )


def _ignores(file: Path, text: str, today: datetime.date = TODAY) -> Ignores:
    file.write_text(text, "utf-8")
    return load_ignores(file, today)


def test_an_entry_holds_until_its_day_has_passed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "pricing.thrift", "double km", "string km")
    file = folder / ".idl-breaking.toml"
    file.write_text(f"{IGNORED}until = {datetime.date.today()}", "utf-8")
    assert breaking(capsys, "old", "new")[0] == 0
    file.write_text(f"{IGNORED}until = 2026-01-01", "utf-8")
    code, _, err = breaking(capsys, "old", "new")
    assert code == 1
    assert "ended on 2026-01-01; it ignores nothing any more" in err
    assert "ended on 2026-11-21" in _ignores(file, f"{IGNORED}until = 2026-11-21").idle()[0]
    assert "matches nothing" in _ignores(file, f"{IGNORED}until = 2026-11-22").idle()[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[ignore]]\ncode = "field-removed"', "entry 1: say why: reason = a text"),
        ('[[ignore]]\nreason = "  "\ncode = "field-removed"', "entry 1: reason must be a text on one line"),
        ('[[ignore]]\nreason = "x"', "entry 1: it would ignore everything"),
        ('[[ignore]]\nreason = "x"\ncode = "field-remove"', "no change has the code 'field-remove'; 'field-removed'?"),
        ('[[ignore]]\nreason = "x"\nmethd = "S::f"', "unknown key 'methd'; did you mean 'method'?"),
        ('[[ignore]]\nreason = "x"\nstruct = "A"\nuntil = "2026-01-01"', "until is a day without quotes"),
        ('[[ignore]]\nreason = "x"\nstruct = "A"\nuntil = 2026-01-01T00:00:00', "until is a day without quotes"),
        ('[[ignore]]\nreason = "x"\nstruct = 5', "struct must be a text"),
        ('[[ignored]]\nreason = "x"', "tables [[ignore]] and nothing else; found 'ignored'"),
        ("ignore = 3", "tables [[ignore]] and nothing else"),
        ("ignore = [3]", "entry 1: expected a table"),
        ("[[ignore", "x.toml: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        _ignores(tmp_path / "x.toml", text)
    assert reason in str(caught.value)


def test_no_file_to_ignore_by(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = breaking(capsys, "old", "new", "--ignore", "none.toml")
    assert (code, err) == (2, "mesh: none.toml: cannot be read: No such file or directory\n")


# -- what it refuses


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("nowhere", "new"), "nowhere is not there"),
        (("old", "new/pricing.thrift"), "old is a folder and new/pricing.thrift a file"),
        (("empty", "empty"), "no .thrift file in empty nor in empty"),
        ((":old", "new"), "name a revision before the colon"),
    ],
)
def test_what_cannot_be_compared(
    folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, str], reason: str
) -> None:
    (folder / "empty").mkdir()
    code, out, err = breaking(capsys, *args)
    assert (code, out) == (2, "")
    assert reason in err


def test_a_broken_contract_is_told_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "new" / "pricing.thrift", "double km", "doubel km")
    code, out, err = breaking(capsys, "old", "new")
    assert (code, out) == (2, "")
    assert "new/pricing.thrift:2: " in err


# -- git


def git(*args: str, cwd: Path) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *args], cwd=cwd, check=True, capture_output=True, text=True, timeout=30,
        env={**env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    ).stdout  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with `idl` in its first commit; a branch `old` there, `main` with nothing changed yet."""
    (tmp_path / "idl" / "shared").mkdir(parents=True)
    (tmp_path / "idl" / "pricing.thrift").write_text(OLD.replace("geo.thrift", "shared/geo.thrift"), "utf-8")
    (tmp_path / "idl" / "shared" / "geo.thrift").write_text(GEO, "utf-8")
    git("init", "-q", "-b", "main", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-qm", "first", cwd=tmp_path)
    git("branch", "old", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.integration
def test_a_revision_is_read_with_its_own_includes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(repository / "idl" / "shared" / "geo.thrift", "double lat", "i64 lat")
    git("commit", "-qam", "second", cwd=repository)
    (repository / "idl" / "shared" / "geo.thrift").write_text("this is no contract", "utf-8")
    before = git("status", "--porcelain", cwd=repository)
    code, out, _ = breaking(capsys, "old:idl", "main:idl")
    assert code == 1
    assert "Point.lat: was double, is now i64" in out
    assert breaking(capsys, "HEAD~1:idl/pricing.thrift", "HEAD:idl/pricing.thrift")[0] == 1
    assert breaking(capsys, "main:idl", "HEAD:idl")[0] == 0
    assert git("status", "--porcelain", cwd=repository) == before


@pytest.mark.integration
def test_a_revision_against_the_work_tree(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert breaking(capsys, "HEAD:idl", "idl")[0] == 0
    edit(repository / "idl" / "pricing.thrift", "double km", "string km")
    assert breaking(capsys, "HEAD:idl", "idl")[0] == 1


@pytest.mark.integration
def test_paths_are_from_the_root_or_from_here(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "idl")
    assert breaking(capsys, "HEAD:idl", ".")[0] == 0
    assert breaking(capsys, "HEAD:./", ".")[0] == 0
    assert breaking(capsys, "HEAD:./pricing.thrift", "pricing.thrift")[0] == 0
    code, _, err = breaking(capsys, "HEAD:pricing.thrift", "pricing.thrift")
    assert code == 2
    assert "HEAD:pricing.thrift is not there" in err
    assert "from this folder write ./pricing.thrift" in err


@pytest.mark.integration
def test_contracts_at_the_root_and_include_folders(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "top.thrift").write_text('include "geo.thrift" service Top { geo.Point f() }', "utf-8")
    git("add", "-A", cwd=repository)
    git("commit", "-qm", "top", cwd=repository)
    assert breaking(capsys, "HEAD:top.thrift", "top.thrift", "-I", "idl/shared")[0] == 0
    code, _, err = breaking(capsys, "HEAD:top.thrift", "top.thrift")
    assert code == 2
    assert "include 'geo.thrift' is not there" in err


HOSTILE = ["$(touch owned)", "HEAD; touch owned", "`touch owned`", "--output=owned", "-h", "--upload-pack=touch owned"]


@pytest.mark.integration
@pytest.mark.parametrize("text", HOSTILE)
def test_a_revision_is_never_a_command(repository: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, _, err = breaking(capsys, "--", f"{text}:idl", "idl")
    assert code == 2
    assert f"git knows no revision {text!r}" in err
    assert breaking(capsys, "--", f"HEAD:{text}", "idl")[0] == 2
    assert not (repository / "owned").exists()


@pytest.mark.integration
@pytest.mark.parametrize("path", ["../..", "/etc", "idl/../../x"])
def test_a_path_stays_in_the_repository(repository: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    code, _, err = breaking(capsys, f"HEAD:{path}", "idl")
    assert code == 2
    assert "from the repository's root" in err


@pytest.mark.integration
def test_names_that_git_would_quote(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository / "i d l*é"
    (repository / "idl").rename(folder)
    git("add", "-A", cwd=repository)
    git("commit", "-qm", "odd", cwd=repository)
    code, out, _ = breaking(capsys, f"HEAD:{folder.name}", folder.name)
    assert (code, out) == (0, "2 contracts compared: 0 wire, 0 source, 0 promise, 0 info\n")


@pytest.mark.integration
def test_no_repository_and_no_such_revision(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = breaking(capsys, "HEAD:idl", "new")
    assert code == 2
    assert "there is no git repository here" in err
    git("init", "-q", cwd=folder)
    code, _, err = breaking(capsys, "HEAD:idl", "new")
    assert code == 2
    assert "git knows no revision 'HEAD'" in err
    assert "git fetch" in err
    monkeypatch.setenv("PATH", str(folder))
    assert "no git on the PATH" in breaking(capsys, "HEAD:idl", "new")[2]


@pytest.mark.integration
def test_a_file_too_large_in_a_revision(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mesh.cli import git_revision

    (repository / "idl" / "large.thrift").write_text(f"// {'x' * 2000}\n", "utf-8")
    git("add", "-A", cwd=repository)
    git("commit", "-qm", "large", cwd=repository)
    monkeypatch.setattr(git_revision, "MAX_FILE_BYTES", 1000)
    code, _, err = breaking(capsys, "HEAD:idl", "idl")
    assert code == 2
    assert "large.thrift: larger than 1000 bytes" in err
