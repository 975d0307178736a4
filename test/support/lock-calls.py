"""Locks between processes, waits that a signal ends, mappings of a file, in a folder: what comes of them, as JSON on standard output."""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import struct
import sys

OFD_GET, OFD_SET, OFD_WAIT = 36, 37, 38


def attempt(call):
    try:
        value = call()
        return "ok" if value is None else value
    except OSError as error:
        return errno.errorcode[error.errno]


def ofd(fd, command, kind, start, length):
    """A lock that belongs to the open file: ok, or for a question the kind of lock that stands in the way."""
    given = fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))
    return struct.unpack("hhqqi4x", given)[0] if command == OFD_GET else "ok"


def elsewhere(act):
    """What another process gets."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(attempt(act)).encode())
        os._exit(0)
    os.close(writer)
    told = os.read(reader, 10_000)
    os.close(reader)
    os.waitpid(child, 0)
    return json.loads(told)


def interrupted(wait):
    """A wait that an alarm ends. (Python itself would go on waiting after a signal, if its handler did not raise.)"""

    def ring(_signal, _frame):
        raise InterruptedError(errno.EINTR, "rung")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        return attempt(wait)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def locks(path):
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    reader = os.open(path, os.O_RDONLY)
    now = fcntl.LOCK_NB
    found = [attempt(lambda: ofd(one, OFD_SET, fcntl.F_WRLCK, 10, 10)), attempt(lambda: ofd(two, OFD_SET, fcntl.F_RDLCK, 15, 1))]
    found += [attempt(lambda: ofd(two, OFD_SET, fcntl.F_RDLCK, 20, 5)), attempt(lambda: ofd(two, OFD_GET, fcntl.F_WRLCK, 12, 1))]
    for start in (10, 30):
        found.append(elsewhere(lambda: fcntl.lockf(one, fcntl.LOCK_EX | now, 1, start)))
    found += [interrupted(lambda: ofd(two, OFD_WAIT, fcntl.F_WRLCK, 10, 1)), attempt(lambda: ofd(reader, OFD_SET, fcntl.F_WRLCK, 0, 1))]
    found += [attempt(lambda: ofd(one, OFD_SET, fcntl.F_UNLCK, 0, 0)), attempt(lambda: ofd(two, OFD_SET, fcntl.F_WRLCK, 10, 10))]
    os.close(two)
    found.append(attempt(lambda: ofd(one, OFD_SET, fcntl.F_WRLCK, 0, 0)))
    os.close(one)
    two = os.open(path, os.O_RDWR)
    fcntl.flock(reader, fcntl.LOCK_SH)
    found += [attempt(lambda: fcntl.flock(two, fcntl.LOCK_EX | now)), attempt(lambda: fcntl.flock(two, fcntl.LOCK_SH | now))]
    found += [interrupted(lambda: fcntl.flock(two, fcntl.LOCK_EX)), attempt(lambda: fcntl.lockf(two, fcntl.LOCK_EX | now))]
    os.close(two)
    found.append(attempt(lambda: fcntl.flock(reader, fcntl.LOCK_EX | now)))
    os.close(reader)
    return found


def waiting(path):
    """One process holds, another waits until an alarm, then until the lock is free; a third dies with its lock."""
    held, told, go = os.open(path, os.O_RDWR), os.pipe(), os.pipe()
    fcntl.lockf(held, fcntl.LOCK_EX, 5)
    child = os.fork()
    if child == 0:
        first = interrupted(lambda: fcntl.lockf(held, fcntl.LOCK_EX, 1))
        os.write(told[1], first.encode())
        os.read(go[0], 1)
        os._exit(0 if attempt(lambda: fcntl.lockf(held, fcntl.LOCK_EX, 1)) == "ok" else 1)
    found = [os.read(told[0], 20).decode()]
    os.write(go[1], b"x")
    fcntl.lockf(held, fcntl.LOCK_UN)
    found.append(os.waitpid(child, 0)[1])
    dying = os.fork()
    if dying == 0:
        fcntl.lockf(held, fcntl.LOCK_EX)
        os.write(told[1], b"held")
        signal.pause()
    os.read(told[0], 20)
    found.append(attempt(lambda: fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    os.kill(dying, signal.SIGKILL)
    os.waitpid(dying, 0)
    found.append(attempt(lambda: fcntl.lockf(held, fcntl.LOCK_EX)))
    os.close(held)
    return found


def mappings(path):
    """Shared ones change the file, private ones do not, and one may be run."""
    with open(path, "wb") as file:
        file.write(b"abcdefgh" * 1024)
    fd = os.open(path, os.O_RDWR)
    shared = mmap.mmap(fd, 8192, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    private = mmap.mmap(fd, 8192, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    private[0:3] = b"PRI"
    found = [os.pread(fd, 4, 0).decode(), shared[0:3].decode()]
    shared[4096:4099] = b"SHA"
    found += [os.pread(fd, 4, 4096).decode(), private[4096:4099].decode()]
    os.pwrite(fd, b"WRITTEN", 10)
    found += [shared[10:17].decode(), private[0:3].decode()]
    private.close()
    shared.flush()
    os.ftruncate(fd, 4097)
    shared[4096:4097] = b"!"
    found += [os.pread(fd, 10, 4095).decode(), os.fstat(fd).st_size]
    os.unlink(path)
    shared[0:4] = b"gone"
    found.append(os.pread(fd, 4, 0).decode())
    shared.close()
    os.close(fd)
    return found


def run_mapped(path):
    """The machine code of `return 42`, or what else stands for it: whether a page of a file may be run."""
    code = {"x86_64": b"\xb8\x2a\x00\x00\x00\xc3", "aarch64": b"\x40\x05\x80\x52\xc0\x03\x5f\xd6"}.get(os.uname().machine)
    if code is None:
        return 42
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o755)
    os.write(fd, code.ljust(4096, b"\0"))
    os.fsync(fd)
    page = mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    here = ctypes.c_char.from_buffer(page)
    answer = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(here))()
    del here
    page.close()
    os.close(fd)
    return answer


os.chdir(sys.argv[1])
open("locked", "w").close()
json.dump({"locks": locks("locked"), "waiting": waiting("locked"), "mappings": mappings("mapped"), "run": run_mapped("code")}, sys.stdout)
