"""Cases of every call that takes a path: what is wrong with the path, and who may follow it."""

import contextlib
import ctypes
import os
import subprocess

from posix_case import LONG, OLD, OWNER, PEOPLE, TOO_LONG, attempt, by, case, deep_path, folder, make, opened, raw


CALLS = {
    "open": lambda path: opened(path),
    "create": lambda path: opened(path, os.O_CREAT | os.O_WRONLY),
    "mkdir": lambda path: os.mkdir(path),
    "rmdir": lambda path: os.rmdir(path),
    "unlink": lambda path: os.unlink(path),
    "truncate": lambda path: os.truncate(path, 1),
    "chmod": lambda path: os.chmod(path, 0o600),
    "chown": lambda path: os.chown(path, *OWNER),
    "utimensat": lambda path: os.utime(path, (OLD, OLD)),
    "rename from": lambda path: os.rename(path, "elsewhere"),
    "rename to": lambda path: os.rename(make("source"), path),
    "stat": lambda path: os.stat(path) and None,
    "listdir": lambda path: os.listdir(path) and None,
    "setxattr": lambda path: os.setxattr(path, "user.x", b"1"),
}


def cleaned(call, path):
    came = attempt(call, path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink("source")
    return came


@case("*/01 a component of the path is not a folder")
def _():
    make("file")
    return {name: cleaned(call, "file/below") for name, call in CALLS.items()}


@case("*/02 a name of 255 bytes, of 256")
def _():
    found = {name: cleaned(call, TOO_LONG) for name, call in CALLS.items()}
    found["create 255"] = [attempt(CALLS["create"], LONG), attempt(os.rename, LONG, "m" * 255), attempt(os.unlink, "m" * 255)]
    found["mkdir 255"] = [attempt(os.mkdir, LONG), attempt(os.rename, LONG, "m" * 255), attempt(os.rmdir, "m" * 255)]
    found["below"] = attempt(CALLS["create"], TOO_LONG + "/x")
    return found


@case("*/03 a path of 4095 bytes, of 4096")
def _():
    os.setxattr(".", "user.onedrive.local", b"1")  # the service has no such paths, so nothing of it may have to go there
    longest, longer = deep_path(4095), deep_path(4096)
    found = {name: cleaned(call, longer) for name, call in CALLS.items()}
    found["create 4095"] = [attempt(CALLS["create"], longest), attempt(os.truncate, longest, 5), os.stat(longest).st_size]
    found["again 4095"] = [attempt(os.unlink, longest), attempt(os.mkdir, longest), attempt(os.rmdir, longest)]
    return found


@case("*/04 a component or the last name is not there")
def _():
    found = {}
    for name, call in CALLS.items():
        found[name] = [cleaned(call, "absent/below")]
        if name not in ("create", "mkdir", "rename to"):
            found[name].append(cleaned(call, "none"))
    return found


@case("*/05 search permission is denied for a component of the path")
def _():
    found = {}
    for mode in (0o755, 0o711, 0o744, 0o700, 0o666, 0o611, 0o677, 0o000):
        if os.path.isdir("d"):
            os.chmod("d", 0o755)
            subprocess.run(["rm", "-rf", "d"], check=True)
        folder("d", 0o777)
        make("d/f", 0o777)
        folder("d/sub", 0o777)
        make("free", 0o777) if not os.path.exists("free") else None
        os.chmod("d", mode)
        for name, who in PEOPLE.items():
            found[f"{mode:o} {name}"] = [
                by(who, opened, "d/f"),
                by(who, opened, "d/f", os.O_RDWR),
                by(who, os.stat, "d/none"),
                by(who, os.truncate, "d/f", 2),
                by(who, os.chmod, "d/f", 0o777),
                by(who, os.utime, "d/f"),
                by(who, os.listdir, "d") in (["f", "sub"], ["sub", "f"]) or by(who, os.listdir, "d"),
                by(who, opened, "d/new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644),
                by(who, os.unlink, "d/new"),
                by(who, os.mkdir, "d/made"),
                by(who, os.rmdir, "d/made"),
                by(who, os.rename, "d/f", "d/g"),
                by(who, os.rename, "d/g", "d/f"),
                by(who, os.rename, "free", "d/free"),
                by(who, os.rename, "d/free", "free"),
            ]
    os.chmod("d", 0o755)
    return found


@case("*/14 EFAULT: addresses that are none")
def _():
    bad = ctypes.c_void_p(0xFFFFFFFFFFFFF000 - 4096)
    make("f")
    fd = os.open("f", os.O_RDWR)
    found = [raw("open", bad, os.O_RDONLY), raw("mkdir", bad, 0o755), raw("rmdir", bad), raw("unlink", bad)]
    found.append(raw("truncate", bad, ctypes.c_long(1)))
    found += [raw("rename", bad, b"x"), raw("rename", b"f", bad), raw("chmod", bad, 0o644), raw("chown", bad, 0, 0)]
    found += [raw("utimensat", -100, bad, None, 0), raw("utimensat", -100, b"f", bad, 0)]
    found += [raw("pread", fd, bad, ctypes.c_size_t(10), ctypes.c_long(0)), raw("pwrite", fd, bad, ctypes.c_size_t(10), ctypes.c_long(0))]
    found += [raw("pwrite", fd, bad, ctypes.c_size_t(10_000), ctypes.c_long(0)), os.fstat(fd).st_size]
    os.close(fd)
    return found
