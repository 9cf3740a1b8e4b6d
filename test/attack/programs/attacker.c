// SPDX-License-Identifier: Apache-2.0
// A module that turns into something else: it behaves until somebody makes /tmp/go, then does what its argument says.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char *what) {
  if (!ok) {
    perror(what);
    exit(1);
  }
}

static void copy(int from, int to) {
  char buffer[65536];
  ssize_t count;
  while ((count = read(from, buffer, sizeof buffer)) > 0) must(write(to, buffer, count) == count, "write");
}

static void copy_file(const char *from, const char *to) {
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  must(in >= 0 && out >= 0, to);
  copy(in, out);
  close(in);
  close(out);
}

static void sleeper(const char *program) {
  execl(program, "sleep", "1000000", (char *)NULL);
  must(0, program);
}

static void put(const char *path, const char *text) {
  int file = open(path, O_WRONLY);
  if (file < 0 || write(file, text, strlen(text)) < 0) perror(path);
  close(file);
}

// The program never has a name in any file system.
static void from_memory(void) {
  int memory = memfd_create("sleep", 0), program = open("/bin/busybox", O_RDONLY);
  char *const arguments[] = {"sleep", "1000000", NULL};
  copy(program, memory);
  fexecve(memory, arguments, environ);
  must(0, "fexecve");
}

// In a user namespace of its own everybody is root and may put another program over one of the image's.
static void over_bind_mount(void) {
  copy_file("/bin/busybox", "/tmp/evil");
  must(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "0 1000 1");
  must(mount("/tmp/evil", "/bin/busybox", NULL, MS_BIND, NULL) == 0, "mount");
  sleeper("/bin/busybox");
}

// A cgroup or mountinfo file of one's own making names another pod; a process believed by it would be that pod's.
static void over_proc(const char *file) {
  copy_file(file, "/tmp/forged");
  must(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "0 1000 1");
  must(mount("/tmp/forged", file, NULL, MS_BIND, NULL) == 0, "mount");
  pause();
}

// A child of the right program, into which its parent writes as a debugger does. `stay`: the debugger remains.
static void inject(int stay) {
  pid_t child = fork();
  if (child == 0) for (;;) pause();
  must(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0 && waitpid(child, NULL, 0) == child, "attach");
  if (!stay) {
    long word = ptrace(PTRACE_PEEKTEXT, child, (void *)copy_file, NULL);
    must(ptrace(PTRACE_POKETEXT, child, (void *)copy_file, (void *)(word ^ 1)) == 0, "poke");
    must(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0, "detach");
  }
  for (;;) pause();
}

// Memory that can be executed and has no file, as a just-in-time compiler's, and injected code's.
static void compiled(void) {
  void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(code != MAP_FAILED, "mmap");
}

static void memory_library(void) {
  char path[64];
  int memory = memfd_create("harmless", 0), file = open("/lib/harmless.so", O_RDONLY);
  copy(file, memory);
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  must(dlopen(path, RTLD_NOW) != NULL, dlerror());
}

static void library(const char *path) {
  must(dlopen(path, RTLD_NOW) != NULL, dlerror());
}

// Calls a unix socket and says what became of it.
static void call(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char answer[1024] = "";
  int caller = socket(AF_UNIX, SOCK_STREAM, 0);
  struct pollfd waiting = {.fd = caller, .events = POLLIN};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(caller, (struct sockaddr *)&address, sizeof address) != 0) {
    printf("called: %s\n", strerror(errno));
  } else if (poll(&waiting, 1, 2000) == 0) {
    printf("called: listened to\n");
  } else if (read(caller, answer, sizeof answer - 1) > 0) {
    printf("called: answered %s\n", answer);
  } else {
    printf("called: hung up on\n");
  }
  fflush(stdout);
}

int main(int count, char **arguments) {
  const char *how = count > 1 ? arguments[1] : "";
  if (strcmp(how, "call") == 0 && count > 2) call(arguments[2]);
  while (access("/tmp/go", F_OK) != 0) usleep(100000);
  printf("%s\n", how);
  fflush(stdout);
  if (strcmp(how, "memory") == 0) from_memory();
  if (strcmp(how, "bind-mount") == 0) over_bind_mount();
  if (strcmp(how, "forged-proc") == 0) over_proc("/proc/self/cgroup");
  if (strcmp(how, "forged-mounts") == 0) over_proc("/proc/self/mountinfo");
  if (strcmp(how, "traced") == 0) inject(1);
  if (strcmp(how, "injected") == 0) inject(0);
  if (strcmp(how, "compiled") == 0) compiled();
  if (strcmp(how, "memory-library") == 0) memory_library();
  if (strcmp(how, "own-library") == 0) library("/lib/harmless.so");
  if (strcmp(how, "volume-library") == 0) {
    copy_file("/lib/harmless.so", "/data/harmless.so");
    library("/data/harmless.so");
  }
  if (strcmp(how, "deleted-library") == 0) {
    copy_file("/lib/harmless.so", "/tmp/gone.so");
    void *handle = dlopen("/tmp/gone.so", RTLD_NOW);
    must(handle != NULL, "dlopen");
    unlink("/tmp/gone.so");
  }
  if (strcmp(how, "replaced") == 0) {
    // A write copies the image's file up into the container's writable layer, under the same path.
    int file = open("/app/tool", O_WRONLY | O_APPEND);
    must(file >= 0 && write(file, "\n", 1) == 1, "/app/tool");
    close(file);
    sleeper("/app/tool");
  }
  if (strcmp(how, "other-program") == 0) sleeper("/bin/busybox");
  for (;;) pause();
}
