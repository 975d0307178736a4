"""open(2) with every combination of up to three flags on every kind of target in a folder: what comes of it, as JSON on standard output."""

import errno
import itertools
import json
import os
import sys

FLAGS = ["O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_DSYNC", "O_PATH"]
MODES = ["O_RDONLY", "O_WRONLY", "O_RDWR"]
TARGETS = ["file", "empty", "folder", "absent", "absent/below", "file/below", "folder/", "file/", "absent/", "n" * 300]


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def prepare(folder):
    if os.path.lexists(os.path.join(folder, "absent")):
        os.unlink(os.path.join(folder, "absent"))
    for name, wanted in [("file", b"0123456789"), ("empty", b"")]:
        path = os.path.join(folder, name)
        if attempt(lambda: open(path, "rb").read()) != wanted:
            with open(path, "wb") as file:
                file.write(wanted)


def outcome(folder, target, flags):
    path = os.path.join(folder, target)
    fd = attempt(lambda: os.open(path, flags, 0o640))
    if isinstance(fd, str):
        return [fd]
    try:
        seen = [
            attempt(lambda: os.fstat(fd).st_mode if not flags & os.O_DIRECTORY else 0),
            text(attempt(lambda: os.read(fd, 4))),
            attempt(lambda: os.lseek(fd, 0, os.SEEK_CUR)),
            attempt(lambda: os.write(fd, b"ab")),
            text(attempt(lambda: os.pread(fd, 20, 0))),
            attempt(lambda: os.pwrite(fd, b"c", 1)),
            attempt(lambda: os.ftruncate(fd, 5)),
        ]
    finally:
        os.close(fd)
    regular = os.path.isfile(path)
    return seen + [attempt(lambda: open(path, "rb").read().decode()) if regular else None]


def main(folder):
    results = {}
    os.mkdir(os.path.join(folder, "folder"))
    changing = ("O_CREAT", "O_TRUNC")
    for target in TARGETS:
        for mode in MODES:
            for count in range(4):
                for names in itertools.combinations(FLAGS, count):
                    if "O_PATH" in names and any(name in names for name in changing):
                        continue  # O_PATH ignores them, which other combinations show
                    prepare(folder)
                    flags = getattr(os, mode)
                    for name in names:
                        flags |= getattr(os, name)
                    results[" ".join([target[:20], mode, *names])] = outcome(folder, target, flags)
    json.dump(results, sys.stdout)


main(sys.argv[1])
