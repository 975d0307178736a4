/*
 * The process that writes notices to the kernel for a mount's daemon. A notice takes locks that a program may hold which waits for an
 * answer of the daemon. A thread of the daemon itself that waits for such a lock cannot be killed, keeps the daemon's descriptors open, and so
 * after a `kill -9` nobody would ever answer that program nor end the mount. Here the two are apart: a daemon that is killed lets go of
 * its descriptor, which ends the calls it had taken; the calls nobody took are refused here until no notice waits any more; then this
 * process ends too, its descriptor is the last one, and the kernel ends the mount for everybody.
 *
 * Started with a socket as standard input, a pipe as standard output and the daemon's /dev/fuse as descriptor 3, of which a sibling is
 * made. Says one byte when it is ready. A batch is its length (a 32-bit number of this machine) and that many bytes of frames, each with its
 * length in its first four bytes; one byte is said when all of them were written. What the kernel answers does not matter: what it
 * does not know it need not forget. Ends when the other end of standard input is closed, never by a signal that can be ignored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GIVEN 3
#define BATCH_MAX (16 * 1024 * 1024)
/* The largest write and what comes before its bytes; the kernel hands out nothing to a smaller buffer. Costs nothing until it is used. */
#define REQUEST_MAX (1024 * 1024 + 4096)
#define LOOK_MS 10

static int device;
static atomic_int writing, ending;
static uint64_t request[REQUEST_MAX / sizeof(uint64_t)];

static int read_whole(void *into, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t part = read(STDIN_FILENO, (char *)into + got, length - got);
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return 0;
    got += (size_t)part;
  }
  return 1;
}

static int say(void) {
  ssize_t put;
  do put = write(STDOUT_FILENO, "+", 1);
  while (put < 0 && errno == EINTR);
  return put == 1;
}

/* No notice begins after the end has begun: either this thread sees `ending`, or the other one sees `writing`. */
static void write_frame(const uint8_t *frame, size_t length) {
  atomic_store(&writing, 1);
  if (!atomic_load(&ending))
    while (write(device, frame, length) < 0 && errno == EINTR) continue;
  atomic_store(&writing, 0);
}

static void write_batch(const uint8_t *frames, size_t length) {
  for (size_t at = 0; at + sizeof(uint32_t) <= length;) {
    uint32_t size;
    memcpy(&size, frames + at, sizeof size);
    if (size < sizeof size || size > length - at) exit(3);
    write_frame(frames + at, size);
    at += size;
  }
}

static void *write_batches(void *nothing) {
  uint32_t length;
  while (read_whole(&length, sizeof length)) {
    if (length > BATCH_MAX) exit(3);
    uint8_t *frames = malloc(length ? length : 1);
    if (!frames) exit(3);
    if (!read_whole(frames, length)) break;
    write_batch(frames, length);
    free(frames);
    if (!say()) break;
  }
  return nothing;
}

/* The answer to something that is none, like a number to forget, is not understood by the kernel, which does no harm. */
static void refuse_requests(void) {
  for (;;) {
    ssize_t got = read(device, request, sizeof request);
    if (got < 0 && (errno == EINTR || errno == ENOENT)) continue;
    if (got < (ssize_t)sizeof(struct fuse_in_header)) return;
    struct fuse_out_header answer = {.len = sizeof answer, .error = -ECONNABORTED};
    answer.unique = ((struct fuse_in_header *)request)->unique;
    if (write(device, &answer, sizeof answer) < 0) continue;
  }
}

int main(void) {
  uint32_t given = GIVEN;
  pthread_t writer;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_IGN);
  device = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0 || ioctl(device, FUSE_DEV_IOC_CLONE, &given) != 0) return 2;
  close(GIVEN);
  if (pthread_create(&writer, NULL, write_batches, NULL) != 0 || !say()) return 2;
  struct pollfd daemon = {.fd = STDIN_FILENO, .events = POLLRDHUP};
  while (poll(&daemon, 1, -1) <= 0 || !(daemon.revents & (POLLHUP | POLLRDHUP | POLLERR))) continue;
  atomic_store(&ending, 1);
  while (atomic_load(&writing)) {
    struct pollfd waiting = {.fd = device, .events = POLLIN};
    poll(&waiting, 1, LOOK_MS);
    if (waiting.revents & POLLERR) usleep(LOOK_MS * 1000);
    refuse_requests();
  }
  _exit(0);
}
