"""Many processes at once in one folder: each makes, appends, renames, reads, locks and removes. Ends with 1 and a line for what is wrong."""

import fcntl
import os
import sys

PROCESSES = 64
ROUNDS = 12


def work(folder, number):
    own = os.path.join(folder, f"own-{number}")
    for turn in range(ROUNDS):
        with open(own, "wb") as file:
            file.write(f"{number}:{turn}".encode() * 50)
        log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(log, f"{number:03}:{turn:03}\n".encode())
        os.close(log)
        os.rename(own, own + ".r")
        assert open(own + ".r", "rb").read() == f"{number}:{turn}".encode() * 50
        count = os.open(os.path.join(folder, "count"), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.lockf(count, fcntl.LOCK_EX)
        value = int(os.pread(count, 20, 0) or b"0")
        os.pwrite(count, str(value + 1).encode(), 0)
        os.close(count)
        assert f"own-{number}.r" in os.listdir(folder)
        os.unlink(own + ".r")


def main(folder):
    children = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            try:
                work(folder, number)
            except BaseException as error:
                print(f"process {number}: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in children]
    lines = open(os.path.join(folder, "log")).read().split()
    count = int(open(os.path.join(folder, "count")).read())
    names = sorted(os.listdir(folder))
    wanted = sorted(f"{n:03}:{t:03}" for n in range(PROCESSES) for t in range(ROUNDS))
    good = not any(ended) and sorted(lines) == wanted and count == PROCESSES * ROUNDS and names == ["count", "log"]
    if not good:
        print(f"{sum(map(bool, ended))} failed, {len(lines)} lines, count {count}, {names}", file=sys.stderr)
    sys.exit(0 if good else 1)


main(sys.argv[1])
