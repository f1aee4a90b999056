import pytest

from mesh.call import Layer, Stack
from mesh.testing import run_virtual
from tests.filters.stage import Script, call, method


def noting(name, notes):
    def make(service, method):
        async def filter(call, next):
            notes.append(name)
            return await next(call)

        return filter

    return Layer(name, make, f"{name} stands here")


def walk(stack, notes):
    run_virtual(stack.build("pricing", method(), Script())(call()))
    return notes


def test_outermost_first():
    notes = []
    assert walk(Stack(*(noting(name, notes) for name in "abc")), notes) == ["a", "b", "c"]


def test_insert_replace_without():
    notes = []
    stack = Stack(*(noting(name, notes) for name in "abc"))
    assert walk(stack.insert(noting("x", notes), before="b").insert(noting("y", notes), after="c"), notes) == list(
        "axbcy"
    )
    notes.clear()
    assert walk(stack.without("b").replace("c", noting("z", notes).make), notes) == ["a", "z"]
    notes.clear()
    assert walk(stack, notes) == ["a", "b", "c"]


def test_mistakes():
    stack = Stack(noting("a", []))
    with pytest.raises(LookupError, match="no layer 'q'"):
        stack.without("q")
    with pytest.raises(ValueError, match="one of the two"):
        stack.insert(noting("b", []))
    with pytest.raises(ValueError, match="twice"):
        stack.insert(noting("a", []), before="a")


def test_a_layer_may_leave_itself_out():
    notes = []
    stack = Stack(noting("a", notes), Layer("none", lambda service, method: None, "not for this method"))
    assert walk(stack, notes) == ["a"]


def test_the_page_reads():
    assert Stack(noting("a", []), noting("bcd", [])).describe() == "a    a stands here\nbcd  bcd stands here"
