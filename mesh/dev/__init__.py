"""`mesh dev`: a running cluster whose services follow their source while somebody edits it.

    tree      the files that count, and how they changed (polling; no event library, see there)
    settle    when a burst of saves is over
    imports   which files a program needs, out of its import statements
    uses      which services a change touches
    plans     cluster.toml itself, edited
    check     what is wrong with changed files before anything is started; stubs
    failure   why a new process did not start: file, line, reason out of what it printed
    follower  one service's reloads
    reload    the whole: from edits to reloads

One rule: a process that serves goes on serving until its successor is ready; whatever is wrong with an edit is told and
costs no call.
"""
