"""
The file and folder cases of pjdfstest, by its names, as calls in a folder: what comes of each, as JSON on standard output.

Run by root, in a folder of OWNER's. What is not said otherwise is made by OWNER; OTHER is a stranger and MEMBER only
of its group. Times are told as whether they moved. Nothing here says what is right: the kernel's tmpfs does.
"""

import json
import os
import sys

import posix_files  # noqa: F401
import posix_folders  # noqa: F401
import posix_paths  # noqa: F401
from posix_case import OWNER, ROOT, cases, person


def main(top):
    os.setgroups([])
    os.umask(0)
    os.chdir(top)
    start = os.open(".", os.O_RDONLY)
    results = {}
    with person(OWNER):
        for number, (name, run) in enumerate(cases):
            os.mkdir(str(number))
            os.chdir(str(number))
            results[name] = run()
            with person(ROOT):
                os.fchdir(start)
    json.dump(results, sys.stdout)


main(sys.argv[1])
