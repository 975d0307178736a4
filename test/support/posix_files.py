"""Cases of open, truncate, chmod, chown, utimensat and writing."""

import contextlib
import os
import subprocess
import time

from posix_case import (
    MEMBER,
    NOW,
    OLD,
    OMIT,
    OTHER,
    OWNER,
    PEOPLE,
    ROOT,
    attempt,
    by,
    case,
    folder,
    make,
    mode_of,
    moved,
    opened,
    person,
    raw,
    set_times,
)


@case("open/06 open with every mode of a file, as owner, group and others; access says the same")
def _():
    make("f")
    folder("d")
    found = {}
    for bits in range(8):
        for place, shift in (("owner", 6), ("member", 3), ("other", 0), ("root", 6)):
            os.chmod("f", bits << shift)
            os.chmod("d", bits << shift)
            who = PEOPLE[place]
            flags = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC)
            found[f"{bits} {place}"] = [
                *(by(who, opened, "f", flag) for flag in flags),
                *(by(who, os.access, path, bit, effective_ids=True) for path in ("f", "d") for bit in (os.R_OK, os.W_OK, os.X_OK)),
                by(who, os.truncate, "f", 0),
                by(who, opened, "d", os.O_RDONLY | os.O_DIRECTORY),
            ]
    return found


@case("open/00 create: mode less the umask, owner, times of the file and its folder")
def _():
    found = []
    for wanted, mask in ((0o755, 0), (0o151, 0), (0o6777, 0o77), (0o345, 0o70), (0o345, 0o501), (0o1777, 0)):
        os.umask(mask)
        opened("f", os.O_CREAT | os.O_WRONLY, wanted)
        os.mkdir("d", wanted)
        found.append([mode_of("f"), mode_of("d"), os.stat("f").st_uid, os.stat("f").st_gid, os.stat("d").st_nlink])
        os.unlink("f")
        os.rmdir("d")
        os.umask(0)
    now = time.time()
    found.append(moved(".", opened, "f", os.O_CREAT | os.O_WRONLY))
    made = os.stat("f")
    found.append([abs(made.st_mtime - now) < 5, abs(made.st_ctime - now) < 5, abs(made.st_atime - now) < 5])
    found.append(moved(".", opened, "f", os.O_CREAT | os.O_WRONLY))
    found.append(moved(".", opened, "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    found.append(moved("f", opened, "f", os.O_WRONLY | os.O_TRUNC))
    make("g", 0o644, b"longer")
    found.append(moved("g", opened, "g", os.O_WRONLY | os.O_TRUNC))
    found.append(moved("g", opened, "g", os.O_RDWR))
    found.append(moved("g", lambda: open("g", "ab").write(b"x")))
    return found


@case("open/07 O_TRUNC by one who may not write; open/08 O_CREAT in a folder one may not write")
def _():
    folder("d", 0o755)
    make("d/f", 0o644)
    make("d/secret", 0o600)
    flags = os.O_CREAT | os.O_RDONLY
    return [
        by(OTHER, opened, "d/f", os.O_RDONLY | os.O_TRUNC),
        by(OTHER, opened, "d/f", os.O_WRONLY | os.O_TRUNC),
        by(OTHER, opened, "d/new", os.O_CREAT | os.O_WRONLY),
        by(OTHER, opened, "d/f", flags),
        by(OTHER, opened, "d/f", flags | os.O_EXCL),
        by(OTHER, opened, "d/secret", flags),
        by(MEMBER, opened, "d/secret", flags),
        os.stat("d/f").st_size,
    ]


@case("open/00 a file made without the right to write is written through its handle")
def _():
    found = []
    for mode in (0o000, 0o444, 0o200):
        fd = os.open("f", os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
        found += [os.write(fd, b"abc"), attempt(os.ftruncate, fd, 2), os.pread(fd, 9, 0).decode(), mode_of("f")]
        found += [attempt(opened, "f", os.O_RDWR), attempt(opened, "f"), attempt(os.truncate, "f", 1)]
        os.close(fd)
        os.unlink("f")
    return found


@case("open/13 EISDIR, open/16 O_NOFOLLOW, open/22 EEXIST, open/23 odd flags")
def _():
    folder("d")
    make("f")
    kinds = [os.O_WRONLY, os.O_RDWR, os.O_TRUNC, os.O_RDONLY | os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TMPFILE & ~os.O_DIRECTORY]
    found = [attempt(opened, "d", flag) for flag in kinds]
    found += [attempt(opened, "f", os.O_NOFOLLOW), attempt(opened, "f", os.O_DIRECTORY), attempt(opened, "f", os.O_DIRECTORY | os.O_CREAT)]
    found += [attempt(opened, "f", 3), attempt(opened, "f", os.O_CREAT | os.O_EXCL | os.O_TRUNC), os.stat("f").st_size]
    return found


@case("open/20 truncate/11 ETXTBSY: a file that is run is not written, one that is written is not run")
def _():
    with open("/bin/sleep", "rb") as program:
        make("run", 0o755, program.read())
    child = subprocess.Popen(["./run", "30"])
    try:
        found = [attempt(opened, "run", flags) for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY)]
        found += [attempt(os.truncate, "run", 0), os.stat("run").st_size > 1000]
        found += [attempt(os.rename, "run", "ran"), attempt(os.unlink, "ran"), child.poll()]
    finally:
        child.kill()
        child.wait()
    fd = os.open("busy", os.O_CREAT | os.O_WRONLY, 0o755)
    os.write(fd, b"#!/bin/sh\n")
    found.append(attempt(subprocess.call, ["./busy"]))
    os.close(fd)
    return found + [attempt(subprocess.call, ["./busy"])]


@case("truncate/12 ftruncate/12 EFBIG, truncate/13 a negative length, write behind the end of all files")
def _():
    make("f")
    fd = os.open("f", os.O_RDWR)
    reader = os.open("f", os.O_RDONLY)
    found = [attempt(os.truncate, "f", -1), attempt(os.ftruncate, fd, -1), attempt(os.ftruncate, reader, 1)]
    found += [attempt(os.ftruncate, fd, -(2**63)), attempt(os.truncate, "f", -(2**63))]
    found += [attempt(os.pwrite, fd, b"x", 2**63 - 1), attempt(os.lseek, fd, -1, os.SEEK_SET), os.fstat(fd).st_size]
    os.close(fd)
    os.close(reader)
    folder("d")
    dirfd = os.open("d", os.O_RDONLY)
    found += [attempt(os.ftruncate, dirfd, 1), attempt(os.read, dirfd, 1), attempt(os.truncate, "d", 1)]
    os.close(dirfd)
    return found


@case("truncate/00 ftruncate/00 length, zeros, times; what fails moves nothing")
def _():
    make("f", 0o644, b"0123456789")
    found = [moved("f", os.truncate, "f", size) + [os.stat("f").st_size] for size in (20, 5, 5, 0)]
    found.append(moved("f", os.truncate, "f", -1))
    fd = os.open("f", os.O_RDWR)
    found += [moved("f", os.ftruncate, fd, size) + [os.fstat(fd).st_size] for size in (1234, 567, 567)]
    found.append(set(os.pread(fd, 2000, 0)) == {0})
    os.close(fd)
    os.chmod("f", 0o444)
    os.utime("f", (OLD, OLD))
    before = os.stat("f").st_ctime_ns
    found += [by(OTHER, os.truncate, "f", 3), os.stat("f").st_ctime_ns == before, os.stat("f").st_size]
    return found


@case("chmod/00 times, mode bits of files and folders; chmod/07 only the owner may")
def _():
    make("f")
    folder("d")
    found = []
    for path in ("f", "d"):
        found += [attempt(os.chmod, path, mode) + mode_of(path) for mode in (0o111, 0o7777, 0o4755, 0o2755, 0o1755, 0, 0o644)]
        found.append(moved(path, os.chmod, path, 0o711))
        found.append(moved(path, os.chmod, path, 0o711))
        found += [by(who, os.chmod, path, 0o700) for who in (OTHER, MEMBER, ROOT)]
        found.append(mode_of(path))
    before = os.stat("f").st_ctime_ns
    time.sleep(0.012)
    found += [by(OTHER, os.chmod, "f", 0o777), os.stat("f").st_ctime_ns == before]
    fd = os.open("f", os.O_RDONLY)
    found += [attempt(os.fchmod, fd, 0o640), by(OTHER, os.fchmod, fd, 0o777), mode_of("f")]
    os.close(fd)
    return found


@case("chmod/12 chown/00 set-user-id and set-group-id go when others write, truncate or own")
def _():
    found = []
    for mode in (0o6777, 0o4777, 0o2777):
        for name, who in PEOPLE.items():

            def fresh():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink("f")
                make("f", mode)

            def written(flags):
                with person(who):
                    fd = os.open("f", os.O_RDWR | flags)
                    if not flags:
                        os.write(fd, b"x")
                    os.close(fd)

            def cut(size):
                with person(who):
                    os.truncate("f", size)

            seen = []
            for act in (lambda: written(0), lambda: written(os.O_TRUNC), lambda: cut(0), lambda: cut(9)):
                fresh()
                act()
                seen.append(mode_of("f"))
            fresh()
            seen += [by(who, os.chown, "f", -1, OWNER[1]), mode_of("f")]
            fresh()
            seen += [by(who, os.chown, "f", OWNER[0], -1), mode_of("f")]
            found.append([f"{mode:o} {name}", *seen])
    return found


@case("chown/07 owners may not give away; folders keep their bits; chown/00 ctime")
def _():
    make("f")
    folder("d", 0o6755)
    found = [attempt(os.chown, path, *ids) for path in ("f", "d") for ids in ((1, -1), (-1, 1), (OTHER[0], OTHER[1]), OWNER, (-1, -1))]
    found += [by(OTHER, os.chown, "f", *ids) for ids in (OTHER, OWNER, (-1, OTHER[1]), (-1, -1))]
    found += [mode_of("d"), moved("f", os.chown, "f", *OWNER), moved("d", os.chown, "d", *OWNER)]
    return found


def owner_of(path):
    found = os.stat(path)
    return [found.st_uid, found.st_gid]


@case("open/00 mkdir/00 who makes it owns it; chown/00 root gives away, and the new owner rules")
def _():
    os.chmod(".", 0o777)
    found = []
    for who in PEOPLE.values():
        with person(who):
            make("f", 0o600)
            folder("d", 0o700)
        found += [owner_of("f"), owner_of("d")]
        for path in ("f", "d"):
            for ids in ((OTHER[0], -1), (-1, MEMBER[1]), OTHER, (-1, -1), OWNER):
                found += [by(ROOT, os.chown, path, *ids), owner_of(path), by(OTHER, os.chmod, path, 0o750), mode_of(path)]
            found.append(by(ROOT, os.chown, path, *OTHER))
            found += [by(each, os.chown, path, -1, OTHER[1]) for each in PEOPLE.values()]
            found += [by(each, os.access, path, os.W_OK, effective_ids=True) for each in PEOPLE.values()]
        with person(ROOT):
            os.unlink("f")
            os.rmdir("d")
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.unlink("f")
    with person(ROOT):
        os.fchown(fd, *OTHER)
    found.append([os.fstat(fd).st_uid, os.fstat(fd).st_gid])
    os.close(fd)
    return found


@case("a folder that hands on its group; rename keeps owners; a file put over another has its own")
def _():
    folder("d", 0o2777)
    with person(ROOT):
        os.chown("d", -1, 1)
        os.chmod("d", 0o2777)
    found = []
    for who in PEOPLE.values():
        with person(who):
            make("d/f", 0o644)
            folder("d/sub")
        found += [owner_of("d/f"), mode_of("d/f"), owner_of("d/sub"), mode_of("d/sub")]
        with person(ROOT):
            os.rename("d/f", "f")
            found.append(owner_of("f"))
            make("over", 0o644)
            os.rename("over", "f")
            found.append(owner_of("f"))
            os.unlink("f")
            os.rmdir("d/sub")
    return found


@case("utimensat/00..05 utimensat/08 utimensat/09: now, omitted, nanoseconds, folders, after 2038")
def _():
    make("f")
    folder("d")
    found = []
    for path in ("f", "d"):
        for seconds in (OLD, 0, 1, -1, -86_400, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 4_398_046_511):
            for nanoseconds in (0, 1, 100, 999_999_999):
                set_times(path, (OLD, 5), (seconds, nanoseconds))
                found.append(os.stat(path).st_mtime_ns)
                set_times(path, (seconds, nanoseconds), (OLD, 5))
                found += [os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns]
        set_times(path, (OLD, 1), (OLD, 2))
        for atime, mtime in (((5, 6), (1, OMIT)), ((1, OMIT), (5, 6)), ((1, OMIT), (1, NOW)), ((1, OMIT), (1, OMIT))):
            found += [set_times(path, atime, mtime), os.stat(path).st_atime_ns]
        found += [set_times(path, (1, NOW), (1, OMIT)), abs(os.stat(path).st_atime - time.time()) < 5, os.stat(path).st_mtime - time.time() < 5]
        set_times(path, (OLD, 1), (OLD, 2))
        found += [moved(path, set_times, path, (1, OMIT), (1, OMIT)), os.stat(path).st_mtime_ns]
        found += [set_times(path, (1, OMIT), (1, NOW)), abs(os.stat(path).st_mtime - time.time()) < 5]
        found += [set_times(path, (OLD, 7), (OLD, OMIT)), abs(os.stat(path).st_mtime - time.time()) < 5]
        found += [set_times(path, (1, OMIT), (OLD, 9)), os.stat(path).st_mtime_ns, moved(path, os.utime, path, (OLD + 1, OLD + 1))]
        found += [set_times(path, (0, 1_000_000_000), (0, 0)), set_times(path, (0, 0), (0, -1)), os.stat(path).st_mtime_ns]
        found += [raw("utimensat", -100, path.encode(), None, 0), abs(os.stat(path).st_mtime - time.time()) < 5]
    return found


SET = (OLD, 0)
TIMES = [
    ((0, NOW), (0, NOW)),
    ((0, OMIT), (0, OMIT)),
    (SET, SET),
    ((0, NOW), (0, OMIT)),
    ((0, OMIT), (0, NOW)),
]


@case("utimensat/06 utimensat/07 who may set times: now with write permission, others only the owner")
def _():
    make("f")
    folder("d")
    found = []
    for path in ("f", "d"):
        for mode in (0o444, 0o644, 0o666, 0o600, 0o020):
            os.chmod(path, mode)
            for name, who in PEOPLE.items():
                with person(who):
                    times = [set_times(path, atime, mtime) for atime, mtime in TIMES]
                    found.append([path, f"{mode:o} {name}", *times, raw("utimensat", -100, path.encode(), None, 0)])
    return found


@case("posix_fallocate/00 length, times")
def _():
    make("f")
    fd = os.open("f", os.O_RDWR)
    found = [moved("f", os.posix_fallocate, fd, 0, 100)[:2], os.fstat(fd).st_size, os.pread(fd, 9, 0).hex()]
    for start, length in ((10, 20), (20_000, 5_000)):
        found += [attempt(os.posix_fallocate, fd, start, length), os.fstat(fd).st_size]
    found += [attempt(os.posix_fallocate, fd, 0, 0), attempt(os.posix_fallocate, fd, -1, 5), set(os.pread(fd, 30_000, 4)) == {0}]
    os.close(fd)
    reader = os.open("f", os.O_RDONLY)
    found.append(attempt(os.posix_fallocate, reader, 0, 9))
    os.close(reader)
    return found


@case("write: O_APPEND, times of one who wrote, nothing written, a pipe of the file to itself")
def _():
    make("f")
    fd, append = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR | os.O_APPEND)
    found = [moved("f", os.write, fd, b"new"), moved("f", os.write, fd, b""), moved("f", os.pread, fd, 2, 0)[0].decode()]
    found += [os.write(append, b"end"), os.lseek(append, 0, os.SEEK_CUR), os.pread(fd, 20, 0).decode()]
    found += [attempt(os.writev, fd, [b"a", b"", b"bc"]), attempt(os.pwrite, append, b"!", 0), os.pread(fd, 20, 0).decode()]
    found += [attempt(os.sendfile, append, fd, 0, 4), attempt(os.sendfile, fd, append, 0, 4), os.fstat(fd).st_size]
    os.close(fd)
    os.close(append)
    return found


@case("a folder with the set-group-id bit; xattrs by those who may not")
def _():
    folder("d", 0o2777)
    folder("d/sub")
    make("f", 0o644)
    found = [by(who, os.setxattr, "f", "user.a", b"1") for who in PEOPLE.values()]
    found += [by(who, os.getxattr, "f", "user.a") in (b"1",) for who in PEOPLE.values()]
    found += [by(who, os.removexattr, "f", "user.a") for who in (OTHER, OWNER, OWNER)]
    os.chmod("f", 0o600)
    found += [by(OTHER, os.getxattr, "f", "user.a"), by(OTHER, os.setxattr, "f", "user.a", b"1")]
    found.append([name for name in by(OTHER, os.listxattr, "f") if not name.startswith("user.onedrive.")])
    return found
