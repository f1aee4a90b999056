"""Forks: the child starts afresh, the parent goes on undisturbed, and nobody waits for a lock of a lost thread.

Each test is a program of its own: a fork inside the test's process would copy pytest's threads' state.
"""

import subprocess
import sys

import pytest

from tests.blocking.conftest import ROOT, clean_environment, echo_process, run_program

pytestmark = pytest.mark.integration

# {0} makes the loop be asyncio's own, as on a machine without uvloop.
HEAD = """
import gc, json, os, signal, sys, threading, time
{0}
import mesh
from tests.node.interop import interop
node = mesh.blocking.Node("forker", env={{}})
client = node.client(interop.Echo, peers=[os.environ["ADDRESS"]])
def touch(text, client=client):
    with mesh.deadline(ms=30_000):  # a busy machine's business
        return client.touch(text)
"""
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


def head(loop):
    return HEAD.format("" if loop == "uvloop" else 'sys.modules["uvloop"] = None')


def lines(ran):
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.split()


FORK_WITH_THREADS = """
stop, counts, errors = threading.Event(), [0] * 4, []
def work(number):
    try:
        while not stop.is_set():
            text = f"{number} {counts[number]}"
            assert touch(text) == text
            counts[number] += 1
    except BaseException as error:
        errors.append(error)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for round in range(6):
    child = os.fork()
    if child == 0:
        assert repr(node) == "<mesh.blocking.Node 'forker', not started>", node
        for at in range(20):
            assert touch(f"child {at}") == f"child {at}"
        del client, node, touch
        gc.collect()
        if round % 2:
            os._exit(0)
        sys.exit(0)  # every finaliser of what was inherited runs
    before = list(counts)
    ended, status = os.waitpid(child, 0)
    assert status == 0, status
    while any(now <= then for now, then in zip(counts, before)) and not errors:
        time.sleep(0.001)
stop.set()
for thread in threads:
    thread.join()
assert not errors, errors
print(json.loads(touch("seen"))["opened"])
"""


@LOOPS
def test_children_start_afresh_while_the_parents_threads_go_on(echo, loop):
    ran = run_program(head(loop) + FORK_WITH_THREADS, echo, "-W", "ignore::DeprecationWarning")
    assert lines(ran) == ["7"]  # connections: one of each child, and the parent has kept its own


CHILD_HOLDS_NOTHING = """
touch("x")
reads, writes = os.pipe()
if os.fork() == 0:
    os.close(writes)
    os.read(reads, 1)  # stays until the test's process lets it go
    os._exit(0)
node.close()
other = mesh.blocking.Node("other", env={})
asking = other.client(interop.Echo, peers=[os.environ["ADDRESS"]])
until = time.monotonic() + 10
while (standing := json.loads(touch("seen", asking))["standing"]) != 1 and time.monotonic() < until:
    time.sleep(0.01)
print(standing)
"""


@LOOPS
def test_a_child_that_never_calls_keeps_no_connection_of_its_parents_open(echo, loop):
    ran = run_program(head(loop) + CHILD_HOLDS_NOTHING, echo, "-W", "ignore::DeprecationWarning")
    assert lines(ran) == ["1"]


PREFORK = """
import multiprocessing
def task(number):
    with mesh.headers({"task": str(number)}), mesh.deadline(ms=30_000):
        assert client.headers() == {"task": str(number)}
    return touch(f"{number} of {os.getpid()}")
touch("before")  # as an application that was loaded before its workers were forked
with multiprocessing.get_context("fork").Pool(4, maxtasksperchild=5) as pool:
    answers = pool.map(task, range(60), chunksize=1)
    own = [touch(str(number)) for number in range(60)]
assert own == [str(number) for number in range(60)]
assert [answer.split()[0] for answer in answers] == own, answers
workers = {answer.split()[2] for answer in answers}
print(len(workers) >= 8, str(os.getpid()) in workers, touch("after"))
"""


@LOOPS
def test_a_preforking_pool_of_workers(echo, loop):
    ran = run_program(head(loop) + PREFORK, echo, "-W", "ignore::DeprecationWarning")
    assert lines(ran) == ["True", "False", "after"]


FORK_DURING_STARTS = """
def work():
    while not stop.is_set():
        with mesh.blocking.Node("brief", env={}) as brief:
            touch("x", brief.client(interop.Echo, peers=[os.environ["ADDRESS"]]))
stop = threading.Event()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for round in range(40):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends it if it hangs
        touch("x")
        with mesh.blocking.Node("young", env={}) as young:
            touch("x", young.client(interop.Echo, peers=[os.environ["ADDRESS"]]))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print("through")
"""


def test_forks_while_other_threads_start_and_close_nodes(echo):
    ran = run_program(head("uvloop") + FORK_DURING_STARTS, echo, "-W", "ignore::DeprecationWarning")
    assert lines(ran) == ["through"]


PREEXEC = """
import subprocess
touch("x")
for _ in range(5):
    assert subprocess.run(["true"], preexec_fn=lambda: None).returncode == 0
print(touch("y"), json.loads(touch("seen"))["opened"])
"""


def test_a_program_started_with_a_preexec_function_disturbs_nothing(echo):
    ran = run_program(head("uvloop") + PREEXEC, echo, "-W", "ignore::DeprecationWarning")
    assert lines(ran) == ["y", "1"]


# Says a line when it was answered; goes on when it is told to.
FOUND_IN_CONSUL = """
import os, sys, time
import mesh
from tests.node.interop import interop
node = mesh.blocking.Node("forker")  # MESH_REGISTRY
client = node.client(interop.Echo)
print(client.touch("loaded"), flush=True)
go_on, told = os.pipe()
child = os.fork()
who = "parent" if child else "child"
print(client.touch(who), flush=True)
if child:
    sys.stdin.readline()
    os.write(told, b"x")
else:
    os.read(go_on, 1)
until, answer = time.monotonic() + 60, "never"
while answer == "never" and time.monotonic() < until:
    try:
        answer = client.touch(f"{who} again")
    except mesh.MeshError:
        pass
if child:
    os.waitpid(child, 0)
print(answer, flush=True)
"""


def test_parent_and_child_each_follow_the_registry(consul):
    """The only instance goes and another comes, at another address; both learn it by long polls of their own."""
    registry = {"MESH_REGISTRY": consul.url}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FOUND_IN_CONSUL]
    with (
        echo_process(**registry) as (first, address),
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment(**registry),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as program,
    ):
        try:
            assert program.stdout.readline() == "loaded\n"
            assert {program.stdout.readline(), program.stdout.readline()} == {"parent\n", "child\n"}
            first.terminate()
            first.wait(30)
            with echo_process(**registry) as (_, other):
                assert other != address
                said, _ = program.communicate("go on\n", timeout=90)
            assert said == "child again\nparent again\n"
            assert program.returncode == 0
        finally:
            program.kill()
