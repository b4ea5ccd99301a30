"""Stops the threads of a process that have these names, as a debugger does, until its standard input ends: freeze.py PID NAME..."""

import ctypes
import os
import sys

SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

pid, names = int(sys.argv[1]), sys.argv[2:]
frozen = []
for tid in map(int, os.listdir(f"/proc/{pid}/task")):
    with open(f"/proc/{pid}/task/{tid}/comm") as comm:
        name = comm.read().strip()
    if name in names:
        for request in (SEIZE, INTERRUPT):
            if libc.ptrace(request, tid, None, None) != 0:
                sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
        os.waitpid(tid, WALL)
        frozen.append(name)
if sorted(frozen) != sorted(names):
    sys.exit(f"{frozen} are frozen, not {names}")
print("frozen", flush=True)
sys.stdin.read()  # the kernel lets the threads go on when we end
