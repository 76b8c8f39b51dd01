"""Runs a command that ends with the process that started it, however that one ends.

`python -I tether.py PARENT_PID COMMAND...`, by path: it knows nothing of the rig. Linux only. The
kernel watches the *thread* that started it, so start components from one that lives as long.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Ask the kernel for the signal, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 -- becoming the command is the purpose


if __name__ == "__main__":
    main()
