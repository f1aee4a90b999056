"""The logs of several instances as one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.cluster import journal
from mesh.cluster.journal import Line, Reader
from mesh.cluster.output import LogFile, Output, stamp

T = 1_700_000_000.0


@pytest.fixture
def reader():
    """`reader(path)`, closed at the end of the test."""
    with contextlib.ExitStack() as closing:

        def reader(path):
            return closing.enter_context(contextlib.closing(Reader(path)))

        yield reader


class Ticking:
    """A clock that goes on by a second with every look."""

    def __init__(self, now=T):
        self.now = now

    def __call__(self):
        self.now += 1
        return self.now


def texts(lines):
    return [line.text for line in lines]


def write(path, *lines, at=T, **settings):
    out = Output(LogFile(path, **settings), clock=Ticking(at))
    for line in lines:
        out.write(line.encode() + b"\n")
    out.close()


def test_merged_by_time_each_in_its_own_order(tmp_path, reader):
    write(tmp_path / "a-1.log", "a at 1", "a at 2", "a at 3", at=T)
    write(tmp_path / "b-1.log", "b at 1.5", "b at 2.5", at=T + 0.5)
    lines = list(journal.merged([reader(path).last(10) for path in journal.files(tmp_path)]))
    assert texts(lines) == ["a at 1", "b at 1.5", "a at 2", "b at 2.5", "a at 3"]
    assert (lines[0].instance, lines[0].at) == ("a-1", T + 1)


def test_a_nodes_own_line_is_dated_by_itself_and_the_rest_by_the_supervisor(tmp_path, reader):
    own = '{"ts": "2023-11-14T22:13:19.250Z", "msg": "x"}'
    (tmp_path / "a-1.log").write_bytes(own.encode() + b"\n" + stamp(T + 5) + b"print\n  torn\n")
    assert reader(tmp_path / "a-1.log").last(10) == [
        Line(T - 0.75, "a-1", own),
        Line(T + 5, "a-1", "print"),
        Line(T + 5, "a-1", "  torn"),
    ]


@pytest.mark.parametrize("count", [1, 2, 7, 99, 100, 1000])
def test_the_last_lines_reach_into_the_older_file(tmp_path, reader, count):
    lines = [f"{number:04}" for number in range(100)]
    write(tmp_path / "a-1.log", *lines, max_bytes=2000)
    there = texts(reader(tmp_path / "a-1.log").since(0))
    assert there == lines[-len(there) :]
    assert (tmp_path / "a-1.log.1").exists()
    assert texts(reader(tmp_path / "a-1.log").last(count)) == there[-count:]


def test_follow_reads_on_across_the_turning_over(tmp_path, reader):
    path = tmp_path / "a-1.log"
    out = Output(LogFile(path, max_bytes=400), clock=Ticking())
    log = reader(path)
    assert log.last(5) == []
    seen = []
    for number in range(60):
        out.write(f"{number}\n".encode())
        if number % 7 == 0:  # a file holds 14 lines: not every one is seen while it is the current one's end
            seen += texts(log.new())
    seen += texts(log.new())
    assert seen == [str(number) for number in range(60)]
    path.unlink()
    out.close()
    assert list(log.new()) == []
    write(path, "after a deletion")
    assert texts(log.new()) == ["after a deletion"]


def test_a_line_is_shown_once_it_is_whole(tmp_path, reader):
    path = tmp_path / "a-1.log"
    path.write_bytes(stamp(T) + b"whole\n" + stamp(T) + b"ha")
    log = reader(path)
    assert texts(log.last(5)) == ["whole"]
    assert texts(log.new()) == []
    with path.open("ab") as file:
        file.write(b"lf\n")
    assert texts(log.new()) == ["half"]


def test_since_a_time(tmp_path, reader):
    write(tmp_path / "a-1.log", *"abcdef", max_bytes=100)
    log = reader(tmp_path / "a-1.log")
    assert texts(log.since(T + 5)) == ["e", "f"]
    write(tmp_path / "a-1.log", "g", at=T + 6)
    assert texts(log.new()) == ["g"]


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"", b"a", stamp(T) + b"b"])).map(b"\n".join))
def test_any_bytes_are_lines_of_some_kind(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("logs") / "a-1.log"
    path.write_bytes(data)
    with contextlib.closing(Reader(path)) as one, contextlib.closing(Reader(path)) as other:
        lines = list(one.since(0))
        assert len(lines) == data.count(b"\n")
        assert other.last(1000) == lines


def test_what_two_processes_of_one_instance_print_stays_in_order(tmp_path, reader):
    early = '{"ts": "2023-11-14T22:13:19.000Z", "msg": "written late"}'
    (tmp_path / "a-1.log").write_bytes(stamp(T + 5) + b"first\n" + early.encode() + b"\n")
    write(tmp_path / "b-1.log", "between", at=T + 1)
    assert texts(journal.merged([reader(path).last(9) for path in journal.files(tmp_path)])) == [
        "between",
        "first",
        early,
    ]
