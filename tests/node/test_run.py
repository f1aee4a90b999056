"""How a program that `mesh.run` runs ends."""

import pytest

import mesh
from mesh.cluster.instance import HOPELESS
from mesh.config import ConfigError
from mesh.node.run import CONFIGURATION


def test_a_wrong_configuration_is_one_line_and_an_exit_code_that_no_supervisor_retries(capsys):
    async def main():
        raise ConfigError("MESH_LOG_LEVEL: expected one of debug, info")

    with pytest.raises(SystemExit) as caught:
        mesh.run(main())
    assert caught.value.code == CONFIGURATION
    assert CONFIGURATION in HOPELESS
    assert capsys.readouterr().err == "configuration: MESH_LOG_LEVEL: expected one of debug, info\n"


def test_anything_else_is_raised():
    async def main():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        mesh.run(main())
