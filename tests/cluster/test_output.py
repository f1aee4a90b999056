"""The log of an instance: bounded, and its last lines at hand."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.cluster import output
from mesh.cluster.output import LogFile, Output


def test_it_turns_over_when_full(tmp_path):
    log = Output(LogFile(tmp_path / "a.log", max_bytes=100))
    for number in range(50):
        log.write(b"%09d\n" % number)
    log.close()
    current, older = (tmp_path / "a.log").read_bytes(), (tmp_path / "a.log.1").read_bytes()
    assert len(current) <= 100
    assert len(older) == 100
    assert (older + current).endswith(b"000000048\n000000049\n")
    assert {file.name for file in tmp_path.iterdir()} == {"a.log", "a.log.1"}


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_the_tail_does_not_depend_on_how_the_bytes_arrive(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("log")
    whole, piecewise = Output(LogFile(folder / "a")), Output(LogFile(folder / "b"))
    whole.write(b"".join(pieces))
    for piece in pieces:
        piecewise.write(piece)
    whole.close(), piecewise.close()
    assert piecewise.tail() == whole.tail()
    assert len(whole.tail()) <= output.TAIL_LINES


def test_a_line_without_end_is_shown_and_bounded(tmp_path):
    log = Output(LogFile(tmp_path / "a.log"))
    log.write(b"first\n" + b"x" * 1_000_000)
    log.close()
    first, last = log.tail()
    assert first == "first"
    assert len(last) < 2 * output.MAX_LINE


def test_a_log_that_cannot_be_written_costs_only_the_log(tmp_path):
    log = Output(LogFile(tmp_path / "gone" / "a.log"))
    log.write(b"still here\n")
    (tmp_path / "gone").mkdir()
    log.write(b"back\n")
    log.close()
    assert log.tail() == ["still here", "back"]
    assert (tmp_path / "gone" / "a.log").read_bytes() == b"back\n"
