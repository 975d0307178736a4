"""Cases of mkdir, rmdir, unlink and rename."""

import os

from posix_case import OLD, PEOPLE, ROOT, attempt, by, case, folder, make, mode_of, moved, person


@case("mkdir/00 times and links of the folder and its parent; mkdir/10 EEXIST")
def _():
    found = [moved(".", os.mkdir, "d"), moved(".", os.mkdir, "d")]
    make("f")
    found += [attempt(os.mkdir, name) for name in ("f", "d", ".", "..", "/", "d/", "new/")]
    found += [os.stat("d").st_nlink, os.stat(".").st_nlink]
    folder("d/e")
    found += [os.stat("d").st_nlink, os.stat("d/e").st_nlink, attempt(os.mkdir, "d/e/."), attempt(os.mkdir, "none/.")]
    return found


@case("mkdir/06 rmdir/08 unlink/06 rename/05: write permission on the folder is denied")
def _():
    found = []
    for mode in (0o755, 0o555, 0o775, 0o777):
        where = folder(f"d{mode:o}", 0o777)
        make(f"{where}/f")
        folder(f"{where}/sub", 0o777)
        folder(f"{where}/to", 0o777)
        make(f"{where}/to/g")
        os.chmod(where, mode)
        for name, who in PEOPLE.items():
            made = by(who, os.mkdir, f"{where}/made")
            gone = by(who, os.rmdir, f"{where}/made")
            found.append(
                [
                    f"{mode:o} {name}",
                    made,
                    gone,
                    by(who, os.rename, f"{where}/f", f"{where}/to/f"),
                    by(who, os.rename, f"{where}/to/f", f"{where}/f"),
                    by(who, os.rename, f"{where}/to/g", f"{where}/f") if name != "root" else "",
                    make(f"{where}/to/g") and "" if not os.path.exists(f"{where}/to/g") else "",
                    by(who, os.unlink, f"{where}/f") if name == "other" else "",
                ]
            )
            if not os.path.exists(f"{where}/f"):
                os.chmod(where, 0o777)
                make(f"{where}/f")
                os.chmod(where, mode)
    return found


@case("rename/09 rename/10 unlink/11 rmdir/11: a sticky folder")
def _():
    folder("sticky", 0o1777)
    folder("plain", 0o777)
    found = []
    for name, who in PEOPLE.items():
        for made in (make, folder):
            path = made("sticky/x", 0o666 if made is make else 0o777)
            other = made("plain/y", 0o666 if made is make else 0o777)
            found.append(
                [
                    name,
                    made.__name__,
                    by(who, os.rename, path, "sticky/z"),
                    by(who, os.rename, "sticky/z", path),
                    by(who, os.rename, path, "plain/z"),
                    by(who, os.rename, "plain/z", path),
                    by(who, os.rename, other, path),
                    by(who, os.rename, path, other) if made is make else "",
                    by(who, os.unlink if made is make else os.rmdir, path),
                    by(who, os.unlink if made is make else os.rmdir, other),
                ]
            )
            for left in ("sticky/x", "sticky/z", "plain/y", "plain/z"):
                if os.path.exists(left):
                    (os.unlink if made is make else os.rmdir)(left)
    return found


@case("rename/09 rename/10 unlink/11 rmdir/11: a sticky folder, whoever owns it and what is in it")
def _():
    folder("plain", 0o777)
    folder("sticky", 0o777)
    found = []
    for folder_owner in PEOPLE.values():
        with person(ROOT):
            os.chown("sticky", *folder_owner)
            os.chmod("sticky", 0o1777)
        for owner in PEOPLE.values():
            for made in (make, folder):
                for who in PEOPLE.values():
                    with person(owner):
                        made("sticky/x", 0o644 if made is make else 0o755)
                        made("sticky/over", 0o644 if made is make else 0o755)
                    with person(who):
                        made("plain/y", 0o644 if made is make else 0o755)
                    found.append(
                        [
                            by(who, os.rename, "plain/y", "sticky/over"),
                            by(who, os.rename, "sticky/x", "sticky/z"),
                            by(who, os.rename, "sticky/x", "plain/z"),
                            by(who, os.unlink if made is make else os.rmdir, "sticky/over"),
                        ]
                    )
                    with person(ROOT):
                        for left in ("sticky/x", "sticky/z", "sticky/over", "plain/y", "plain/z"):
                            if os.path.exists(left):
                                (os.unlink if made is make else os.rmdir)(left)
    return found


@case("rename/00 rename/22 times of the file, the folder and both parents; inodes")
def _():
    found = []
    for made in (make, folder):
        a, b = folder(f"a{made.__name__}"), folder(f"b{made.__name__}")
        made(f"{a}/x")
        inode = os.stat(f"{a}/x").st_ino
        before = os.stat(f"{a}/x").st_ctime_ns
        os.utime(b, (OLD, OLD))
        found.append(moved(a, os.rename, f"{a}/x", f"{b}/y"))
        found += [os.stat(b).st_mtime > OLD, os.stat(f"{b}/y").st_ctime_ns != before, os.stat(f"{b}/y").st_ino == inode]
        found.append(moved(b, os.rename, f"{b}/none", f"{a}/x"))
        found.append(moved(a, os.rename, f"{b}/y", f"{b}/none/y"))
        found.append([os.stat(a).st_nlink, os.stat(b).st_nlink])
    make("over")
    make("with", 0o600, b"others")
    found += [attempt(os.rename, "with", "over"), os.stat("over").st_size, mode_of("over"), sorted(os.listdir("."))]
    return found


@case("rename/12 rename/13 rename/14 rename/18 rename/19 rename/20: kinds, into itself, dots, full folders")
def _():
    make("f")
    make("g")
    for path in ("d", "d/e", "full", "full/in", "empty"):
        folder(path)
    pairs = [("f/x", "y"), ("f", "g/x"), ("d", "f"), ("f", "d"), ("d", "d/e/x"), ("d", "d/x"), ("d", "d/e"), ("d/e", "d"), ("d", "full")]
    pairs += [("d/.", "x"), ("d/..", "x"), (".", "x"), ("..", "x"), ("empty", "d/."), ("empty", "d/..")]
    pairs += [("empty", "."), ("f", "."), ("f", "..")]
    pairs += [("f/", "x"), ("f", "x/"), ("none/", "x"), ("f", "d/"), ("empty/", "moved/")]
    pairs += [("moved", "moved"), ("f", "f"), ("moved", "d/e"), ("", "x"), ("f", "")]
    return [[*pair, attempt(os.rename, *pair)] for pair in pairs] + [sorted(os.listdir(".")), sorted(os.listdir("d"))]


@case("rename/21 a folder is moved to another parent only by one who may write in it; rename/24 ..")
def _():
    found = []
    folder("to", 0o777)
    folder("from", 0o777)
    for mode in (0o755, 0o555, 0o777, 0o700):
        for name, who in PEOPLE.items():
            folder("from/d")
            folder("from/d/in")
            os.chmod("from/d", mode)
            found.append([f"{mode:o} {name}", by(who, os.rename, "from/d", "from/e"), by(who, os.rename, "from/e", "to/d")])
            for left in ("from/e", "to/d"):
                if os.path.exists(left):
                    os.chmod(left, 0o755)
                    found.append(os.stat(f"{left}/..").st_ino == os.stat(os.path.dirname(left)).st_ino)
                    found.append([os.stat("from").st_nlink, os.stat("to").st_nlink])
                    os.rmdir(f"{left}/in")
                    os.rmdir(left)
    return found


@case("rename/15 to another file system; link, symlink, mkfifo on this one")
def _():
    make("f")
    found = [attempt(os.rename, "f", "/proc/f"), attempt(os.link, "f", "/proc/f"), attempt(os.link, "none", "x")]
    return found + [attempt(os.link, "f", "f"), attempt(os.symlink, "x", "f")]


@case("rmdir/00 rmdir/06 rmdir/12: times of the parent, full folders, dots; a folder that is gone but open")
def _():
    for path in ("d", "d/e", "gone", "gone2"):
        folder(path)
    make("f")
    found = [attempt(os.rmdir, path) for path in ("d", "d/e/.", "d/e/..", ".", "..", "f", "none", "f/", "/")]
    found += [moved(".", os.rmdir, "none"), moved(".", os.rmdir, "gone2"), os.stat(".").st_nlink]
    fd = os.open("gone", os.O_RDONLY)
    os.rmdir("gone")
    found += [attempt(os.mkdir, "x", dir_fd=fd), attempt(os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)]
    found.append(attempt(os.rename, "f", "f", dst_dir_fd=fd))
    os.close(fd)
    return found


@case("unlink/00 unlink/14 times of the parent, dots, folders; a file that is gone but open")
def _():
    make("f")
    make("g")
    folder("d")
    fd = os.open("f", os.O_RDWR)
    found = [moved(".", os.unlink, "none"), moved(".", os.unlink, "f"), os.fstat(fd).st_nlink, os.pread(fd, 9, 0).decode()]
    found += [os.pwrite(fd, b"more", 4), os.fstat(fd).st_size, attempt(os.unlink, "f")]
    os.close(fd)
    return found + [attempt(os.unlink, path) for path in ("d", "d/", "g/", "g/.", ".", "..", "d/.", "/")]
