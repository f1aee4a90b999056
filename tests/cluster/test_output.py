"""The log of an instance: bounded, and its last lines at hand."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.cluster import output
from mesh.cluster.output import LogFile, Output

AT = 1_700_000_000.5
STAMP = b"2023-11-14T22:13:20.500Z "


def out(path, **settings):
    return Output(LogFile(path, **settings), clock=lambda: AT)


def test_it_turns_over_when_full(tmp_path):
    log = out(tmp_path / "a.log", max_bytes=350)
    for number in range(50):
        log.write(b"%09d\n" % number)
    log.close()
    current, older = (tmp_path / "a.log").read_bytes(), (tmp_path / "a.log.1").read_bytes()
    assert len(current) <= 350
    assert len(older) == 350
    assert (older + current).replace(STAMP, b"").endswith(b"000000048\n000000049\n")
    assert {file.name for file in tmp_path.iterdir()} == {"a.log", "a.log.1"}


def test_every_line_tells_its_time(tmp_path):
    log = out(tmp_path / "a.log")
    log.write(b'{"ts": "2023-11-14T22:13:19.000Z", "msg": "its own"}\nTraceback\n  File\n\nhalf')
    log.write(b" a line")
    log.end()
    log.write(b"the next process\n")
    log.close()
    assert (tmp_path / "a.log").read_bytes() == b"".join(
        [
            b'{"ts": "2023-11-14T22:13:19.000Z", "msg": "its own"}\n',
            *(STAMP + line + b"\n" for line in (b"Traceback", b"  File", b"", b"half a line", b"the next process")),
        ]
    )


@given(st.lists(st.binary(max_size=200), max_size=30))
def test_the_tail_and_the_file_do_not_depend_on_how_the_bytes_arrive(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("log")
    whole, piecewise = out(folder / "a"), out(folder / "b")
    whole.write(b"".join(pieces))
    for piece in pieces:
        piecewise.write(piece)
    whole.close(), piecewise.close()
    assert piecewise.tail() == whole.tail()
    assert len(whole.tail()) <= output.TAIL_LINES
    written = [path.read_bytes() if path.exists() else b"" for path in (folder / "a", folder / "b")]
    assert written[0] == written[1]


def test_a_line_without_end_is_shown_and_bounded(tmp_path):
    log = out(tmp_path / "a.log")
    log.write(b"first\n" + b"x" * 1_000_000)
    first, last = log.tail()
    assert first == "first"
    assert len(last) < 2 * output.MAX_LINE
    assert (tmp_path / "a.log").stat().st_size > 1_000_000  # not kept in memory until its end comes
    log.close()


def test_a_log_that_cannot_be_written_costs_only_the_log(tmp_path):
    log = out(tmp_path / "gone" / "a.log")
    log.write(b"still here\n")
    (tmp_path / "gone").mkdir()
    log.write(b"back\n")
    log.close()
    assert log.tail() == ["still here", "back"]
    assert (tmp_path / "gone" / "a.log").read_bytes() == STAMP + b"back\n"


class Full:
    """A disk that takes so many bytes more."""

    def __init__(self, room):
        self.room = room
        self.taken = b""

    def write(self, data):
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.taken += taken
        return len(taken)

    def close(self):
        pass


def test_a_full_disk_tears_one_line_and_no_more(tmp_path):
    file = LogFile(tmp_path / "a.log")
    file._file = disk = Full(8)
    file.write(b"first\n")
    file.write(b"second\n")  # only "se" fits
    file.write(b"lost\n")  # and nothing at all
    assert disk.taken == b"first\nse"
    file.write(b"third\n")  # opened again: there is room by now
    file.close()
    assert (tmp_path / "a.log").read_bytes() == b"\nthird\n"  # ends the torn line
