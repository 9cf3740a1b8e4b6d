// SPDX-License-Identifier: Apache-2.0
// A module of many processes, as one of ordinary size looks to who measures it: `remeasure COUNT LIBRARY...` loads the
// libraries, forks until there are COUNT processes, and waits.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
  for (int at = 2; at < count; at++) {
    if (dlopen(arguments[at], RTLD_NOW | RTLD_GLOBAL) == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
  }
  for (int left = atoi(arguments[1]); left > 1; left--)
    if (fork() == 0) break;
  for (;;) pause();
}
