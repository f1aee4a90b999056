"""What a user gets, what a developer gets, and that the two are told in one place each."""

from __future__ import annotations

import configparser
import re
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.newcomer.wheel import build_wheel

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", LOCK, re.MULTILINE))
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def requirements() -> list[Requirement]:
    """Every range in setup.cfg: what users need, and the extras."""
    texts = [SETUP["options"]["install_requires"], *SETUP["options.extras_require"].values()]
    return [Requirement(line) for text in texts for line in text.splitlines() if line]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_range_is_locked_within_itself(requirement):
    version = LOCKED[requirement.name.lower()]
    assert requirement.specifier.contains(version), f"{version} is locked: run `make lock`"


def test_users_get_ranges_with_floors():
    for line in SETUP["options"]["install_requires"].splitlines():
        operators = {specifier.operator for specifier in Requirement(line).specifier} if line else {">="}
        # Only thriftpy2 has a ceiling too: the loader knows its grammar rules by name.
        assert operators == ({">=", "<"} if line.startswith("thriftpy2") else {">="}), line


def test_every_locked_file_has_its_hash_and_no_host():
    entries = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED)
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK


def test_every_target_of_the_makefile_is_in_its_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    helped = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    assert helped == phony.group(1).split()


@pytest.mark.integration
def test_the_wheel_has_the_toolkit_and_not_the_city(tmp_path):
    wheel = build_wheel(tmp_path)
    names = set(zipfile.ZipFile(wheel).namelist())
    # Compiled modules share a library, which stands beside the packages.
    shared = {name for name in names if re.fullmatch(r"[0-9a-f]+__mypyc\.[^/]+\.so", name)}
    packages = {name.split("/")[0] for name in names - shared if ".dist-info/" not in name}
    assert packages <= {"mesh", "loadtest", "chaos"}
    missing = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "mesh").rglob("*")
        if file.suffix in (".py", ".thrift", ".pyi", ".tmpl") or file.name == "py.typed"
    } - names
    assert missing == set()
