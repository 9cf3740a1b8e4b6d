// SPDX-License-Identifier: Apache-2.0
/*
 * The token's raw rate: C_SignInit and C_Sign with CKM_ECDSA, P-256, over 32 bytes, one session, one thread. The key is
 * a token object, as a CA's is, and destroyed at the end.
 * Usage: raw-sign <library> <token label> <PIN> <seconds>
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

struct pair {
  CK_OBJECT_HANDLE public_key, private_key;
};

static struct pair token_key(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE;
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_MECHANISM generation = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_ATTRIBUTE pub[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}, {CKA_VERIFY, &yes, 1}};
  CK_ATTRIBUTE prv[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_SIGN, &yes, 1}};
  struct pair pair;
  MUST(p11->C_GenerateKeyPair(session, &generation, pub, 3, prv, 4, &pair.public_key, &pair.private_key));
  return pair;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: raw-sign <library> <token label> <PIN> <seconds>\n");
    return 2;
  }
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  CK_C_GetFunctionList list = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  CK_FUNCTION_LIST *p11;
  MUST(list(&p11));
  CK_C_INITIALIZE_ARGS args = {0};
  args.flags = CKF_OS_LOCKING_OK;
  MUST(p11->C_Initialize(&args));
  CK_SESSION_HANDLE session;
  MUST(p11->C_OpenSession(slot_of(p11, argv[2]), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
  MUST(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)argv[3], strlen(argv[3])));
  struct pair key = token_key(p11, session);
  CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
  CK_BYTE digest[32] = {1}, signature[64];
  double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), end = start + atof(argv[4]);
  unsigned long count = 0;
  for (; seconds(CLOCK_MONOTONIC) < end; count++) {
    CK_ULONG length = sizeof signature;
    digest[0] = (CK_BYTE)count;
    MUST(p11->C_SignInit(session, &ecdsa, key.private_key));
    MUST(p11->C_Sign(session, digest, sizeof digest, signature, &length));
  }
  double wall = seconds(CLOCK_MONOTONIC) - start;
  printf("%.0f %.1f\n", (double)count / wall, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)count * 1e6);
  MUST(p11->C_DestroyObject(session, key.private_key));
  MUST(p11->C_DestroyObject(session, key.public_key));
  p11->C_Finalize(NULL);
  return 0;
}
