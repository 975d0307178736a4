/** Runs a program on a terminal of its own and types into it, a moment apart, as a person does. Needs python3. */
import { run, type Ran } from "./mount-process.ts";

const TYPE = `
import os, pty, select, sys, time
at = sys.argv.index("--")
program, keys = sys.argv[1:at], [k.encode().decode("unicode_escape").encode() for k in sys.argv[at + 1:]]
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(program[0], program)
seen = b""
def drain(seconds):
    global seen
    end = time.time() + seconds
    while time.time() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:
                return
            if not part: return
            seen += part
drain(1.0)
for key in keys:
    os.write(fd, key)
    drain(0.5)
for _ in range(100):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done: sys.exit(os.waitstatus_to_exitcode(status))
    drain(0.05)
    time.sleep(0.05)
os.kill(pid, 9)
sys.exit("the program did not end: " + seen[-2000:].decode("utf8", "replace"))
`;

/** `keys` in Python's escapes: "\\x18" is Control-X. */
export function typeInto(program: readonly string[], keys: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return run("python3", ["-c", TYPE, ...program, "--", ...keys], env);
}
