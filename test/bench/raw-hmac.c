// SPDX-License-Identifier: Apache-2.0
/*
 * The token's raw rate of HMAC-SHA256: C_SignInit and C_Sign with CKM_SHA256_HMAC over what IoT Edge's SDKs have signed,
 * one session, one thread. The key is a token object, as a hub's is, and destroyed at the end.
 * Usage: raw-hmac <library> <token label> <PIN> <seconds>
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

static CK_OBJECT_HANDLE token_key(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE;
  CK_ULONG length = 32;
  CK_OBJECT_CLASS class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_GENERIC_SECRET;
  CK_MECHANISM generation = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
  CK_ATTRIBUTE attributes[] = {
      {CKA_CLASS, &class, sizeof class},  {CKA_KEY_TYPE, &type, sizeof type}, {CKA_TOKEN, &yes, 1},
      {CKA_PRIVATE, &yes, 1},             {CKA_SENSITIVE, &yes, 1},           {CKA_SIGN, &yes, 1},
      {CKA_VALUE_LEN, &length, sizeof length}};
  CK_OBJECT_HANDLE key;
  MUST(p11->C_GenerateKey(session, &generation, attributes, sizeof attributes / sizeof attributes[0], &key));
  return key;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: raw-hmac <library> <token label> <PIN> <seconds>\n");
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
  CK_OBJECT_HANDLE key = token_key(p11, session);
  CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
  CK_BYTE data[] = "plant.azure-devices.net%2Fdevices%2Fline-4%2Fmodules%2Fhistorian\n1795322675", digest[32];
  double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), end = start + atof(argv[4]);
  unsigned long count = 0;
  for (; seconds(CLOCK_MONOTONIC) < end; count++) {
    CK_ULONG length = sizeof digest;
    data[0] = (CK_BYTE)count;
    MUST(p11->C_SignInit(session, &hmac, key));
    MUST(p11->C_Sign(session, data, sizeof data - 1, digest, &length));
  }
  double wall = seconds(CLOCK_MONOTONIC) - start;
  printf("%.0f %.1f\n", (double)count / wall, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)count * 1e6);
  MUST(p11->C_DestroyObject(session, key));
  p11->C_Finalize(NULL);
  return 0;
}
