/*
 * The few system calls between JavaScript and /dev/fuse that Node has no words for: mounting, receiving a descriptor from fusermount,
 * reading a request into the caller's memory, writing an answer from it, and a poll on Node's own event loop that says when a request
 * waits. Knows nothing of the FUSE protocol. Every function answers a number: what it made, or a negative errno; only wrong arguments
 * throw. The device is non-blocking, and notices, which the kernel may hold up behind a lock, are written by another process
 * (notice-writer.c).
 *
 * Nothing here waits, but for one thing: a program that walks through files sends its next request some microseconds after an answer, while
 * going to sleep and being woken costs up to a hundred. So after requests were taken the next one is looked for during SOON_NS, as
 * long as that has been worth it lately. None is looked for any more after TURN_NS: then everything else on the event loop has its turn.
 *
 * Memory: the poll handle lives until libuv has closed it, after `close` or at the end of the environment, whichever comes first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* The same number stands in fuse-device.ts: a binary with other functions is not used. */
#define DEVICE_LEVEL 3
#define TEXT_MAX 4096
#define SOON_NS 60000
#define TURN_NS 1000000
#define LUCK_MOST 8
#define TRIES_WITHOUT_LUCK 32

typedef struct {
  uv_poll_t poll; /* first: libuv hands back its address */
  napi_env env;
  napi_ref ready;
  napi_async_context context;
  int closing;
  int luck;          /* goes up with each request that came soon, down with each that did not */
  unsigned unlucky;  /* turns since it was used up; now and then it is tried all the same */
} Watch;

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

static int integer(napi_env env, napi_value value) {
  int32_t result = -1;
  napi_get_value_int32(env, value, &result);
  return result;
}

/* The memory of a Uint8Array, which for an empty one may be anywhere; NULL and an exception when it is none. */
static uint8_t *bytes_of(napi_env env, napi_value value, size_t *length) {
  static uint8_t empty;
  void *data = NULL;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    napi_throw_type_error(env, NULL, "a Uint8Array is needed");
    return NULL;
  }
  return data ? data : &empty;
}

#define ARGUMENTS(wanted)                                                      \
  napi_value argument[wanted];                                                 \
  size_t given = wanted;                                                       \
  napi_get_cb_info(env, info, &given, argument, NULL, NULL);                   \
  if (given < wanted) {                                                        \
    napi_throw_type_error(env, NULL, "too few arguments");                     \
    return NULL;                                                               \
  }

/* mountDirectly(mountpoint, source, type, options, flags): the descriptor. `options` without the fd. */
static napi_value mount_directly(napi_env env, napi_callback_info info) {
  ARGUMENTS(5)
  char text[4][TEXT_MAX], options[TEXT_MAX + 32];
  for (int i = 0; i < 4; i++) {
    size_t length;
    if (napi_get_value_string_utf8(env, argument[i], text[i], TEXT_MAX, &length) != napi_ok) {
      napi_throw_type_error(env, NULL, "text is needed");
      return NULL;
    }
    if (length == TEXT_MAX - 1) return number(env, -ENAMETOOLONG);
  }
  int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return number(env, -errno);
  snprintf(options, sizeof options, "fd=%d,%s", fd, text[3]);
  if (mount(text[1], text[0], text[2], (unsigned long)integer(env, argument[4]), options) == 0) return number(env, fd);
  int error = errno;
  close(fd);
  return number(env, -error);
}

/* socketPair(): [ours, theirs]; theirs is for a child, Node hands it over. */
static napi_value socket_pair(napi_env env, napi_callback_info info) {
  (void)info;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return number(env, -errno);
  napi_value result;
  napi_create_array_with_length(env, 2, &result);
  for (uint32_t i = 0; i < 2; i++) napi_set_element(env, result, i, number(env, pair[i]));
  return result;
}

/* receive(socket): the descriptor somebody sent, made non-blocking and closed on exec; never waits. */
static napi_value receive(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  char byte;
  struct iovec part = {&byte, 1};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  ssize_t got = recvmsg(integer(env, argument[0]), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return number(env, -errno);
  struct cmsghdr *header = got == 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return number(env, -EPIPE);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
    int error = errno;
    close(fd);
    return number(env, -error);
  }
  return number(env, fd);
}

static napi_value close_descriptor(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  return number(env, close(integer(env, argument[0])) == 0 ? 0 : -errno);
}

/* read(fd, buffer): the length of the next request. A request that was taken back meanwhile (ENOENT) is passed over. */
static napi_value read_request(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  size_t room;
  uint8_t *data = bytes_of(env, argument[1], &room);
  if (!data) return NULL;
  int fd = integer(env, argument[0]);
  ssize_t got;
  do got = read(fd, data, room);
  while (got < 0 && (errno == EINTR || errno == ENOENT));
  return number(env, got < 0 ? -errno : got);
}

/* readCached(fd, into, position): how many bytes of a file the system had in memory; they are in `into` now. Never waits for a disk. */
static napi_value read_cached(napi_env env, napi_callback_info info) {
  ARGUMENTS(3)
  struct iovec part;
  int64_t position;
  part.iov_base = bytes_of(env, argument[1], &part.iov_len);
  if (!part.iov_base) return NULL;
  if (napi_get_value_int64(env, argument[2], &position) != napi_ok || position < 0) {
    napi_throw_range_error(env, NULL, "a place in the file is needed");
    return NULL;
  }
  int fd = integer(env, argument[0]);
  ssize_t got;
  do got = preadv2(fd, &part, 1, position, RWF_NOWAIT);
  while (got < 0 && errno == EINTR);
  return number(env, got < 0 ? -errno : got);
}

/* write(fd, head, length, payload or undefined): 0. Head and payload are one answer. */
static napi_value write_answer(napi_env env, napi_callback_info info) {
  ARGUMENTS(4)
  size_t room, rest = 0;
  uint8_t *head = bytes_of(env, argument[1], &room), *payload = NULL;
  if (!head) return NULL;
  napi_valuetype type;
  napi_typeof(env, argument[3], &type);
  if (type != napi_undefined && !(payload = bytes_of(env, argument[3], &rest))) return NULL;
  int fd = integer(env, argument[0]), wanted = integer(env, argument[2]);
  if (wanted < 0 || (size_t)wanted > room) {
    napi_throw_range_error(env, NULL, "longer than its buffer");
    return NULL;
  }
  ssize_t put;
  do {
    if (rest == 0) {
      put = write(fd, head, (size_t)wanted);
    } else {
      struct iovec parts[2] = {{head, (size_t)wanted}, {payload, rest}};
      put = writev(fd, parts, 2);
    }
  } while (put < 0 && errno == EINTR);
  return number(env, put < 0 ? -errno : 0);
}

static void take_requests(Watch *watch) {
  napi_handle_scope scope;
  napi_open_handle_scope(watch->env, &scope);
  napi_value ready, self;
  napi_get_reference_value(watch->env, watch->ready, &ready);
  napi_get_global(watch->env, &self);
  if (napi_make_callback(watch->env, watch->context, self, ready, 0, NULL, NULL) == napi_pending_exception) {
    napi_value error;
    napi_get_and_clear_last_exception(watch->env, &error);
    napi_fatal_exception(watch->env, error);
  }
  napi_close_handle_scope(watch->env, scope);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int next_comes_soon(Watch *watch) {
  struct pollfd device = {-1, POLLIN, 0};
  if (watch->closing || uv_fileno((uv_handle_t *)&watch->poll, &device.fd) != 0) return 0;
  if (watch->luck <= 0 && ++watch->unlucky % TRIES_WITHOUT_LUCK != 0) return 0;
  int64_t until = nanoseconds() + SOON_NS;
  do {
    if (poll(&device, 1, 0) > 0) {
      if (watch->luck < LUCK_MOST) watch->luck++;
      return 1;
    }
  } while (nanoseconds() < until);
  if (watch->luck > 0) watch->luck--;
  return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  (void)events;
  (void)status; /* a dead connection is told by the read that follows */
  Watch *watch = (Watch *)poll;
  int64_t until = nanoseconds() + TURN_NS;
  do take_requests(watch);
  while (nanoseconds() < until && next_comes_soon(watch));
}

static void on_closed(uv_handle_t *handle) { free(handle); }

static void close_watch(Watch *watch) {
  if (watch->closing) return;
  watch->closing = 1;
  uv_poll_stop(&watch->poll);
  napi_delete_reference(watch->env, watch->ready);
  napi_async_destroy(watch->env, watch->context);
  uv_close((uv_handle_t *)&watch->poll, on_closed);
}

static void at_end_of_environment(void *given) { close_watch(given); }

/* watch(fd, ready): calls `ready` whenever a request waits or the connection has ended. Answers a watch for `unwatch`. */
static napi_value start_watch(napi_env env, napi_callback_info info) {
  ARGUMENTS(2)
  uv_loop_t *loop;
  Watch *watch = calloc(1, sizeof *watch);
  if (!watch) return number(env, -ENOMEM);
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || uv_poll_init(loop, &watch->poll, integer(env, argument[0])) != 0) {
    free(watch);
    return number(env, -EIO);
  }
  napi_value name, result;
  watch->env = env;
  napi_create_reference(env, argument[1], 1, &watch->ready);
  napi_create_string_utf8(env, "fuse device", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &watch->context);
  napi_add_env_cleanup_hook(env, at_end_of_environment, watch);
  uv_poll_start(&watch->poll, UV_READABLE, on_ready);
  napi_create_external(env, watch, NULL, NULL, &result);
  return result;
}

/* unwatch(watch): once; before the descriptor is closed. */
static napi_value end_watch(napi_env env, napi_callback_info info) {
  ARGUMENTS(1)
  void *watch = NULL;
  if (napi_get_value_external(env, argument[0], &watch) != napi_ok) {
    napi_throw_type_error(env, NULL, "a watch is needed");
    return NULL;
  }
  napi_remove_env_cleanup_hook(env, at_end_of_environment, watch);
  close_watch(watch);
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"mountDirectly", mount_directly}, {"socketPair", socket_pair}, {"receive", receive},
      {"close", close_descriptor},       {"read", read_request},      {"readCached", read_cached},
      {"write", write_answer},           {"watch", start_watch},      {"unwatch", end_watch},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  napi_set_named_property(env, exports, "level", number(env, DEVICE_LEVEL));
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
