// SPDX-License-Identifier: Apache-2.0
/*
 * What the programs share that take a token's raw rate: a session on it, and the time of one call after the other.
 * Usage of each: <program> <library> <token label> <PIN> <seconds>
 * Prints operations per second of wall time and microseconds of processor time per operation.
 */
#define CK_PTR *
#define CK_DECLARE_FUNCTION(returnType, name) returnType name
#define CK_DECLARE_FUNCTION_POINTER(returnType, name) returnType(*name)
#define CK_CALLBACK_FUNCTION(returnType, name) returnType(*name)
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "pkcs11.h"

#define MUST(call)                                                                                                     \
  do {                                                                                                                 \
    CK_RV rv = (call);                                                                                                 \
    if (rv != CKR_OK) {                                                                                                \
      fprintf(stderr, "%s: 0x%lx\n", #call, rv);                                                                       \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *p11, const char *label) {
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64;
  MUST(p11->C_GetSlotList(CK_TRUE, slots, &count));
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    MUST(p11->C_GetTokenInfo(slots[i], &info));
    size_t length = strlen(label);
    if (length <= 32 && memcmp(info.label, label, length) == 0 && (length == 32 || info.label[length] == ' ')) return slots[i];
  }
  fprintf(stderr, "no token %s\n", label);
  exit(1);
}

struct token {
  CK_FUNCTION_LIST *p11;
  CK_SESSION_HANDLE session;
};

static struct token open_token(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s <library> <token label> <PIN> <seconds>\n", argv[0]);
    exit(2);
  }
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  CK_C_GetFunctionList list = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  struct token token;
  MUST(list(&token.p11));
  CK_C_INITIALIZE_ARGS args = {0};
  args.flags = CKF_OS_LOCKING_OK;
  MUST(token.p11->C_Initialize(&args));
  CK_SLOT_ID slot = slot_of(token.p11, argv[2]);
  MUST(token.p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &token.session));
  MUST(token.p11->C_Login(token.session, CKU_USER, (CK_UTF8CHAR *)argv[3], strlen(argv[3])));
  return token;
}

/* Signs over and over, each time with another first octet. */
static void print_rate(struct token token, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG size, double duration) {
  CK_MECHANISM mechanism = {type, NULL, 0};
  CK_BYTE signature[64];
  double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), end = start + duration;
  unsigned long count = 0;
  for (; seconds(CLOCK_MONOTONIC) < end; count++) {
    CK_ULONG length = sizeof signature;
    data[0] = (CK_BYTE)count;
    MUST(token.p11->C_SignInit(token.session, &mechanism, key));
    MUST(token.p11->C_Sign(token.session, data, size, signature, &length));
  }
  double wall = seconds(CLOCK_MONOTONIC) - start;
  printf("%.0f %.1f\n", (double)count / wall, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)count * 1e6);
}
