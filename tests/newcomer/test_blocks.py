"""How a text is taken: every block a step, and what is none refused."""

from __future__ import annotations

import pytest

from tests.newcomer.blocks import Change, Command, Interrupt, Run, Shows, TextError, Watch, Write, pattern, steps


def test_every_kind_of_block() -> None:
    text = """\
# Title

```sh
# a comment
one
two \\
  more
```

```text
out ...
```

```sh exit=3
three
```
```sh second
mesh up
```
```text second
ready
```
```sh second
^C
```
```python title="a/b.py"
x = 1
```
```diff title="a/b.py"
 kept

-x = 1
+x = 2
```
```toml shows="c.toml"
[a]
```
"""
    assert steps(text) == [
        Run(3, [Command(5, "one"), Command(6, "two \\\n  more")], False, "out ...\n", 11),
        Run(14, [Command(15, "three", 3)]),
        Run(17, [Command(18, "mesh up")], True),
        Watch(21, "ready\n"),
        Interrupt(23),
        Write(26, "a/b.py", "x = 1\n"),
        Change(29, "a/b.py", "kept\n\nx = 1\n", "kept\n\nx = 2\n"),
        Shows(35, "c.toml", "[a]\n"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\n```python\nx = 1\n```\n", 2, "nobody would run or check"),
        ("```\nx\n```\n", 1, "nobody would run or check"),
        ("```sh exti=1\nx\n```\n", 1, "nobody would run or check"),
        ('```diff shows="x"\n+x\n```\n', 1, "nobody would run or check"),
        ("```text\nx\n```\n", 1, "without commands"),
        ("```sh\nx\n```\n```text\na\n```\n```text\nb\n```\n", 7, "without commands"),
        ("```sh\n# nothing\n```\n", 1, "no command"),
        ("```sh\nx\n", 1, "no end"),
        ('```diff title="x"\n a\n```\n', 1, "no diff"),
        ('```diff title="x"\n-a\nb\n```\n', 1, "no diff"),
    ],
)
def test_what_is_no_step_is_an_error(text: str, line: int, says: str) -> None:
    with pytest.raises(TextError, match=says) as wrong:
        steps(text)
    assert wrong.value.line == line


@pytest.mark.parametrize(
    ("shown", "output"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a ... c\n", "a b c\n"),
        ("...\nb\n", "b\n"),
        ("...\nb\n", "a\na\nb\n"),
        ("a\n...\n", "a\nb\nc\n"),
        ("a*\n", "a*\n"),
        ("a\n\nb\n", "a  \n\nb\n"),
        ("a\n", "a   \n"),
    ],
)
def test_output_that_fits(shown: str, output: str) -> None:
    assert pattern(shown).fullmatch(output)


@pytest.mark.parametrize(
    ("shown", "output"),
    [("a\n", "a\nb\n"), ("a\n", "b\na\n"), ("a ... c\n", "a b\nc\n"), ("a*\n", "aaa\n"), ("...\nb\n", "a\nab\n")],
)
def test_output_that_does_not(shown: str, output: str) -> None:
    assert not pattern(shown).fullmatch(output)
