"""The drills' own judgement, on made-up books: a drill that cannot fail proves nothing."""

import types

import pytest

from tests.drills import crash
from tests.drills.stage import Stage, executions, verdict
from tests.drills.traffic import Book, Sent


def call(id, *, kind="rpc tick", begun=10.0, ended=10.01, code="ok", peer=""):
    return Sent(id, kind, begun, ended, code, peer)


def stage_of(tmp_path, ran, *calls):
    ledger = tmp_path / "executed"
    ledger.write_text("".join(f"{id}\n" for id in ran))
    return Stage(None, types.SimpleNamespace(book=Book(list(calls))), ledger)


def test_each_call_ran_once(tmp_path):
    on = stage_of(tmp_path, ["a", "b"], call("a"), call("b"), call("c", code="network"), call("d", kind="http quote"))
    assert executions(on) == (0, 0)
    assert verdict(on, []) == 0


@pytest.mark.parametrize(
    ("ran", "found"), [(["a", "a"], "1 calls ran twice, 0"), ([], "0 calls ran twice, 1 answered ok")]
)
def test_twice_or_not_at_all_breaks_the_promise(tmp_path, capsys, ran, found):
    assert verdict(stage_of(tmp_path, ran, call("a")), []) == 1
    assert found in capsys.readouterr().out


def test_a_broken_promise_is_the_exit_code_and_the_book_says_what_failed(tmp_path, capsys):
    on = stage_of(
        tmp_path, ["a"], call("a"), call("b", code="busy"), call("c", kind="http quote", code="HTTP 503 busy")
    )
    assert verdict(on, ["nothing may fail"]) == 1
    out = capsys.readouterr().out
    assert "rpc tick               sent      2  ok      1  failed    1" in out
    assert "HTTP 503 busy: 1" in out
    assert "sent 3, ok 1, failed 2" in out
    assert "BROKEN: nothing may fail" in out


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (call("a", begun=9.9, ended=10.1), True),  # in flight at 10.0
        (call("a", begun=9.9, ended=10.1, peer="127.0.0.1:1"), True),
        (call("a", begun=9.9, ended=10.1, peer="127.0.0.1:2"), False),  # somewhere else
        (call("a", begun=9.0, ended=9.9), False),  # before
        (call("a", begun=10.2, ended=10.3), False),  # after
    ],
)
def test_only_what_was_in_flight_there_is_excused(sent, expected):
    assert crash.excused(sent, {10.0: "127.0.0.1:1"}) is expected
