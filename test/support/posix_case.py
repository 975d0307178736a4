"""What the cases of posix_files, posix_folders and posix_paths are told with: people, times, outcomes, system calls as they are."""

import contextlib
import ctypes
import errno
import os
import stat
import time

OWNER, OTHER, MEMBER, ROOT = (65534, 65534), (65533, 65533), (65532, 65534), (0, 0)
PEOPLE = {"owner": OWNER, "other": OTHER, "member": MEMBER, "root": ROOT}
LONG, TOO_LONG = "n" * 255, "n" * 256
OLD = 1_000_000_000
libc = ctypes.CDLL(None, use_errno=True)
cases = []


def case(name):
    return lambda run: cases.append((name, run)) or run


@contextlib.contextmanager
def person(who):
    before = os.geteuid(), os.getegid()
    os.seteuid(0)
    os.setegid(who[1])
    os.seteuid(who[0])
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[1])
        os.seteuid(before[0])


def attempt(call, *args, **more):
    try:
        value = call(*args, **more)
        return "ok" if value is None else value
    except OSError as error:
        return errno.errorcode[error.errno]


def by(who, call, *args, **more):
    with person(who):
        return attempt(call, *args, **more)


def make(path, mode=0o644, text=b"text"):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, text)
    os.fchmod(fd, mode)
    os.close(fd)
    return path


def folder(path, mode=0o755):
    os.mkdir(path)
    os.chmod(path, mode)
    return path


def opened(path, flags=os.O_RDONLY, mode=0o644):
    os.close(os.open(path, flags, mode))


def mode_of(path):
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def raw(name, *args):
    """A system call with arguments that Python would refuse: ok or the errno."""
    ctypes.set_errno(0)
    return "ok" if getattr(libc, name)(*args) >= 0 else errno.errorcode[ctypes.get_errno()]


def moved(path, call, *args, **more):
    """What comes of a call, and which times of a path it moves."""
    os.utime(path, (OLD, OLD))
    before = os.stat(path)
    time.sleep(0.012)
    came = attempt(call, *args, **more)
    after = os.stat(path)
    return [came, after.st_mtime_ns != before.st_mtime_ns, after.st_ctime_ns != before.st_ctime_ns]


def deep_path(length):
    """A path of exactly so many bytes, all of whose folders are there but the last name."""
    names, left = [], length
    while left > 202:
        names.append("p" * 99)
        left -= 100
    here = os.open(".", os.O_RDONLY)
    for name in names:
        if not os.path.isdir(name):
            os.mkdir(name)
        os.chdir(name)
    os.fchdir(here)
    os.close(here)
    return "/".join([*names, "q" * left])


NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2


class Spec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def set_times(path, atime, mtime):
    return raw("utimensat", -100, path.encode(), (Spec * 2)(Spec(*atime), Spec(*mtime)), 0)
