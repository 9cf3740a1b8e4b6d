// SPDX-License-Identifier: Apache-2.0
// A module that calls a SPIFFE Workload API, when somebody makes /tmp/go, in the way that its argument says. What comes back
// goes to its log as hexadecimal digits, without the contents of messages, in which a private key would be.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static unsigned char received[1 << 20];

static void must(int ok, const char *what) {
  if (ok) return;
  printf("failed: %s: %s\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}

static int connected(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int file = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(file, (struct sockaddr *)&address, sizeof address) == 0) return file;
  printf("refused %s\n", strerror(errno));
  fflush(stdout);
  close(file);
  return -1;
}

static size_t frame(unsigned char *to, int type, int flags, size_t length) {
  unsigned char head[] = {length >> 16, length >> 8, length, type, flags, 0, 0, 0, type == 4 ? 0 : 1};
  memcpy(to, head, sizeof head);
  return sizeof head + length;
}

// HPACK: a literal without indexing, without Huffman.
static size_t header(unsigned char *to, const char *name, const char *value) {
  size_t names = strlen(name), values = strlen(value);
  to[0] = 0;
  to[1] = names;
  memcpy(to + 2, name, names);
  to[2 + names] = values;
  memcpy(to + 3 + names, value, values);
  return 3 + names + values;
}

static void ask(int file) {
  unsigned char request[1024];
  size_t at = sizeof PREFACE - 1;
  memcpy(request, PREFACE, at);
  at += frame(request + at, 4, 0, 0);
  unsigned char *payload = request + at + 9;
  size_t length = header(payload, ":method", "POST");
  length += header(payload + length, ":scheme", "http");
  length += header(payload + length, ":path", "/SpiffeWorkloadAPI/FetchX509SVID");
  length += header(payload + length, ":authority", "localhost");
  length += header(payload + length, "content-type", "application/grpc");
  length += header(payload + length, "te", "trailers");
  length += header(payload + length, "workload.spiffe.io", "true");
  at += frame(request + at, 1, 4, length);
  memset(request + at + 9, 0, 5);
  at += frame(request + at, 0, 1, 5);
  if (write(file, request, at) != (ssize_t)at) printf("gone %s\n", strerror(errno));
}

// Blanks the contents of DATA frames, all but the five bytes that say how long a message is.
static void blank(size_t count) {
  for (size_t at = 0; at + 9 <= count;) {
    size_t length = received[at] << 16 | received[at + 1] << 8 | received[at + 2];
    if (received[at + 3] == 0)
      for (size_t byte = at + 14; byte < at + 9 + length && byte < count; byte++) received[byte] = 0;
    at += 9 + length;
  }
}

static void answer(int file) {
  size_t count = 0;
  struct pollfd waiting = {.fd = file, .events = POLLIN};
  // A stream that is served stays open: silence after the first bytes of a stream is the end of the answer.
  while (count < sizeof received && poll(&waiting, 1, 4000) > 0) {
    ssize_t more = read(file, received + count, sizeof received - count);
    if (more <= 0) break;
    count += more;
  }
  blank(count);
  printf("answer ");
  for (size_t at = 0; at < count; at++) printf("%02x", received[at]);
  printf("\n");
  fflush(stdout);
}

static void call(int file) {
  if (file < 0) return;
  ask(file);
  answer(file);
  close(file);
}

// Who connected is gone when somebody else speaks.
static void inherited(const char *path) {
  pid_t child = fork();
  if (child == 0) {
    int file = connected(path), parent = getpid();
    if (fork() != 0) _exit(0);
    while (getppid() == parent) usleep(1000);
    call(file);
    _exit(0);
  }
  while (wait(NULL) > 0) {}
}

// A connection of a child that then ends, in the hands of its parent.
static int handed_over(const char *path, pid_t *child) {
  int pair[2];
  char byte = 0, space[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  *child = fork();
  if (*child == 0) {
    int file = connected(path);
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(control), &file, sizeof file);
    _exit(sendmsg(pair[0], &message, 0) != 1);
  }
  waitpid(*child, NULL, 0);
  must(recvmsg(pair[1], &message, 0) == 1, "recvmsg");
  int file;
  memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof file);
  return file;
}

static void passed(const char *path) {
  pid_t child;
  call(handed_over(path, &child));
  call(connected(path));
}

// Processes are made until one has the number of the one that connected; then that one speaks. Somebody winds the numbers on.
static void reused(const char *path) {
  pid_t wanted, next;
  int file = handed_over(path, &wanted);
  printf("ended %d\n", wanted);
  fflush(stdout);
  do {
    next = fork();
    must(next >= 0, "fork");
    if (next == 0) {
      if (getpid() != wanted) _exit(0);
      call(file);
      call(connected(path));
      _exit(0);
    }
    waitpid(next, NULL, 0);
  } while (next != wanted);
}

// Between two calls another file takes the place of the program that runs.
static void replaced(const char *path) {
  call(connected(path));
  must(rename("/app/second", "/app/caller") == 0, "rename");
  call(connected(path));
}

// Many connections that never finish their first words; then one that does.
static void flood(const char *path, int many) {
  static int files[4096];
  struct rlimit limit = {4096, 4096};
  int open = 0;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (int at = 0; at < many; at++) files[at] = connected(path);
  for (int letter = 0; letter < 10; letter++) {
    for (int at = 0; at < many; at++) send(files[at], PREFACE + letter, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    usleep(200000);
  }
  for (int at = 0; at < many; at++) {
    char byte;
    if (files[at] >= 0 && recv(files[at], &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN) open++;
  }
  printf("open %d\n", open);
  fflush(stdout);
  while (access("/tmp/enough", F_OK) != 0) usleep(50000);
  for (int at = 0; at < many; at++) close(files[at]);
  usleep(300000);
  call(connected(path));
}

int main(int count, char **arguments) {
  const char *how = count > 1 ? arguments[1] : "", *path = count > 2 ? arguments[2] : "";
  if (strcmp(how, "on") == 0) {
    call(atoi(path));
    for (;;) pause();
  }
  while (strcmp(how, "now") != 0 && access("/tmp/go", F_OK) != 0) usleep(50000);
  if (strcmp(how, "now") == 0 || strcmp(how, "fetch") == 0) call(connected(path));
  if (strcmp(how, "inherited") == 0) inherited(path);
  if (strcmp(how, "passed") == 0) passed(path);
  if (strcmp(how, "reused") == 0) reused(path);
  if (strcmp(how, "replaced") == 0) replaced(path);
  if (strcmp(how, "flood") == 0) flood(path, 1000);
  if (strcmp(how, "setuid") == 0) {
    int file = connected(path);
    must(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0, "setresuid");
    call(file);
  }
  if (strcmp(how, "exec") == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", connected(path));
    execl("/app/second", "second", "on", number, (char *)NULL);
    must(0, "/app/second");
  }
  for (;;) pause();
}
