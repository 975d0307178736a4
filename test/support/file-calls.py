"""Calls on files that few programs make, in a folder: what comes of them, as JSON on standard output."""

import errno
import json
import mmap
import os
import sys


def attempt(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def seeks(folder):
    """Holes need not be known; what is said of them must be true."""
    path = os.path.join(folder, "seek")
    with open(path, "wb") as file:
        file.write(b"x" * 10_000)
    fd = os.open(path, os.O_RDWR)
    places = [(at, how) for how in (os.SEEK_DATA, os.SEEK_HOLE) for at in (0, 1, 9_999, 10_000, 20_000)]
    found = [attempt(lambda: os.lseek(fd, at, how)) for at, how in places]
    found.append(attempt(lambda: os.lseek(fd, -5, os.SEEK_END)))
    found.append(attempt(lambda: os.lseek(fd, -5, os.SEEK_SET)))
    os.ftruncate(fd, 1_000_000)
    data = attempt(lambda: os.lseek(fd, 0, os.SEEK_DATA))
    hole = attempt(lambda: os.lseek(fd, 0, os.SEEK_HOLE))
    found.append([data, hole >= 10_000])
    os.close(fd)
    return found


def copies(folder):
    source, target = (os.path.join(folder, name) for name in ("source", "target"))
    with open(source, "wb") as file:
        file.write(bytes(range(256)) * 1024)
    fin, fout = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT)

    def copy(count, *places):
        done = 0
        while done < count:
            moved = os.copy_file_range(fin, fout, count - done, *(place + done for place in places))
            if moved == 0:
                break
            done += moved
        return done

    found = [attempt(lambda: copy(200_000, 0, 0)), os.fstat(fout).st_size]
    found += [attempt(lambda: copy(1000, 5, 150_000)), attempt(lambda: copy(300_000, 262_000, 200_000))]
    found += [attempt(lambda: copy(10, 300_000, 0)), os.fstat(fout).st_size]
    whole = os.pread(fout, 1_000_000, 0)
    expected = bytearray((bytes(range(256)) * 1024)[:200_000])
    expected[150_000:151_000] = (bytes(range(256)) * 1024)[5:1005]
    found.append(whole == bytes(expected) + (bytes(range(256)) * 1024)[262_000:])
    found.append(attempt(lambda: os.copy_file_range(fout, fin, 10, 0, 0)))
    os.close(fin)
    os.close(fout)
    return found


def direct(folder):
    """O_DIRECT, in pages and out of them, beside a cached descriptor of the same file."""
    path = os.path.join(folder, "direct")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    cached = os.open(path, os.O_RDWR)
    page = mmap.mmap(-1, 8192)
    page.write(b"d" * 8192)
    found = [os.pwritev(fd, [page], 0), os.pread(cached, 3, 8190).decode()]
    os.pwrite(cached, b"cc", 4095)
    found += [os.preadv(fd, [page], 0), page[4094:4098].decode()]
    found += [os.preadv(fd, [page], 4096), os.preadv(fd, [page], 8192), os.preadv(fd, [page], 1 << 20)]
    os.ftruncate(cached, 5000)
    found += [os.preadv(fd, [page], 4096), os.fstat(fd).st_size]
    found += [os.pwritev(fd, [page], 8192), os.fstat(cached).st_size, os.pread(cached, 4, 8190).hex()]
    os.close(fd)
    os.close(cached)
    return found


folder = sys.argv[1]
json.dump({"seeks": seeks(folder), "copies": copies(folder), "direct": direct(folder)}, sys.stdout)
