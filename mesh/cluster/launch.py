"""Becomes the command it is given, after asking the kernel for SIGTERM when the supervisor dies (Linux).

One rule: the request is made in the child, after exec, and not in a `preexec_fn`: code between fork and exec in a
process with threads can deadlock. PR_SET_PDEATHSIG (prctl(2)) stays across exec, is not inherited by children, and
counts the death of the parent's *thread*: whoever starts instances does so from a thread that lives as long as they.
SIGTERM and not SIGKILL, because a command may stand for something that only it can end (a container); the keeper
follows with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """`launch.py PARENT_PID COMMAND...`"""
    parent, command = int(arguments[0]), arguments[1:]
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        return 1  # it died before the request was made: nobody would ever send the signal
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
