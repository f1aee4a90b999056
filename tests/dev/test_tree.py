"""What is watched, what is left out, and when it is too much."""

import os

import pytest

from mesh.dev.tree import LOOK_AT_LEAST_EVERY_S, LOOK_EVERY_S, TooManyFiles, Tree, changed, pause_s


def write(root, *names, text="x = 1\n"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def seen(tree, root):
    return sorted(str(path.relative_to(root)) for path in tree.look())


def test_source_counts_and_what_tools_leave_does_not(tmp_path):
    write(tmp_path, "idl/a.thrift", "services/a/b.py", "cluster.toml", "notes.md")
    write(
        tmp_path,
        ".git/hook.py",
        "build/lib/a.py",
        "dist/a.py",
        "node_modules/a.py",
        "a/__pycache__/a.py",
        "x.egg-info/a.py",
    )
    write(tmp_path, "env311/pyvenv.cfg", "env311/lib/site.py")  # a virtual environment of any name
    write(
        tmp_path, ".#b.py", "services/.b.py.swp", "services/b.py~", "services/#b.py#", "services/4913", "b.py.tmp.123"
    )
    assert seen(Tree(tmp_path), tmp_path) == ["idl/a.thrift", "services/a/b.py"]


def test_files_and_folders_that_were_asked_for_count_whatever_they_are(tmp_path):
    write(tmp_path, "legacy/server.js", "legacy/deep/rules.json", "tool", "other.js")
    tree = Tree(tmp_path, [tmp_path / "legacy", tmp_path / "tool", tmp_path / "not-there"])
    assert seen(tree, tmp_path) == ["legacy/deep/rules.json", "legacy/server.js", "tool"]


def test_every_way_to_save_is_a_change_and_looking_is_none(tmp_path):
    write(tmp_path, "a.py", "b.py", "c.py", "d.py")
    tree = Tree(tmp_path)
    before = tree.look()
    assert changed(before, tree.look()) == frozenset()
    stamp = (tmp_path / "b.py").stat()
    (tmp_path / "a.py").write_text("x = 2\n")
    (tmp_path / "new").write_text("x = 3\n")
    os.utime(tmp_path / "new", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tmp_path / "new").rename(tmp_path / "b.py")  # an atomic rename that keeps size and time
    (tmp_path / "c.py").unlink()
    write(tmp_path, "e.py")
    names = {path.name for path in changed(before, tree.look())}
    assert names == {"a.py", "b.py", "c.py", "e.py"}


def test_a_folder_that_goes_while_it_is_looked_at_and_links_to_nowhere(tmp_path):
    write(tmp_path, "a/b.py")
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)  # followed, it would have no end
    assert seen(Tree(tmp_path), tmp_path) == ["a/b.py"]
    assert Tree(tmp_path / "not-there").look() == {}


@pytest.mark.parametrize(("limit", "what"), [({"max_files": 9}, "9 files"), ({"max_folders": 5}, "5 folders")])
def test_too_much_to_watch_says_where_it_lies(tmp_path, limit, what):
    write(tmp_path, *(f"data{n}/part.py" for n in range(4)), *(f"big/deep{n}/part.py" for n in range(12)))
    with pytest.raises(TooManyFiles, match=f"more than {what} to watch.*most lie in .*big/"):
        Tree(tmp_path, **limit).look()


def test_a_slow_look_is_repeated_less_often_but_often_enough():
    assert pause_s(0.001) == LOOK_EVERY_S
    assert pause_s(0.02) == pytest.approx(0.4)
    assert pause_s(3.0) == LOOK_AT_LEAST_EVERY_S
