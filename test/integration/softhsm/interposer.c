// SPDX-License-Identifier: Apache-2.0
/*
 * A PKCS#11 library in front of another, for faults that SoftHSM does not have. It loads the library named in
 * INTERPOSER_LIBRARY and passes everything on, but in the folder named in INTERPOSER_CONTROL
 *   - appends a byte to `logins` at each C_Login,
 *   - lets C_Sign and C_GenerateKeyPair return the number in the file `C_Sign` or `C_GenerateKeyPair`, where there is one,
 *   - lets C_GetSlotList find nothing while there is a file `absent`,
 *   - sets the bits of the number in the file `flags` in what C_GetTokenInfo says, and those of `flags-after-wrong-pin` once a
 *     C_Login was refused,
 *   - kills the process in C_Sign where there is a file `crash`,
 *   - does not return from C_Sign while there is a file `hang`,
 *   - waits as many milliseconds as the file `slow` says in each function that it has a hand in.
 */
#define _GNU_SOURCE
#define CK_PTR *
#define CK_DECLARE_FUNCTION(returnType, name) returnType name
#define CK_DECLARE_FUNCTION_POINTER(returnType, name) returnType(*name)
#define CK_CALLBACK_FUNCTION(returnType, name) returnType(*name)
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "pkcs11.h"

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST list;
static int refused;

static FILE *control(const char *name, const char *mode) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("INTERPOSER_CONTROL"), name);
  return fopen(path, mode);
}

static CK_RV planned(const char *name) {
  FILE *file = control(name, "r");
  if (!file) return CKR_OK;
  unsigned long rv = CKR_OK;
  if (fscanf(file, "%lu", &rv) != 1) rv = CKR_OK;
  fclose(file);
  return rv;
}

static int exists(const char *name) {
  FILE *file = control(name, "r");
  if (file) fclose(file);
  return file != NULL;
}

static void dawdle(void) { usleep(planned("slow") * 1000); }

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  FILE *file = control("logins", "a");
  if (file) {
    fputc('x', file);
    fclose(file);
  }
  dawdle();
  CK_RV rv = real->C_Login(session, user, pin, length);
  if (rv == CKR_PIN_INCORRECT) refused = 1;
  return rv;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR out_length) {
  if (exists("crash")) kill(getpid(), SIGSEGV);
  while (exists("hang")) usleep(50000);
  dawdle();
  CK_RV rv = planned("C_Sign");
  return rv == CKR_OK ? real->C_Sign(session, data, length, out, out_length) : rv;
}

static CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR pub, CK_ULONG pub_count,
                      CK_ATTRIBUTE_PTR prv, CK_ULONG prv_count, CK_OBJECT_HANDLE_PTR pub_key,
                      CK_OBJECT_HANDLE_PTR prv_key) {
  dawdle();
  CK_RV rv = planned("C_GenerateKeyPair");
  return rv == CKR_OK ? real->C_GenerateKeyPair(session, mechanism, pub, pub_count, prv, prv_count, pub_key, prv_key) : rv;
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
  dawdle();
  CK_RV rv = real->C_GetTokenInfo(slot, info);
  if (rv == CKR_OK) info->flags |= planned("flags") | (refused ? planned("flags-after-wrong-pin") : 0);
  return rv;
}

static CK_RV slots(CK_BBOOL present, CK_SLOT_ID_PTR out, CK_ULONG_PTR count) {
  dawdle();
  if (!exists("absent")) return real->C_GetSlotList(present, out, count);
  *count = 0;
  return CKR_OK;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  void *library = dlopen(getenv("INTERPOSER_LIBRARY"), RTLD_NOW);
  if (!library) return CKR_GENERAL_ERROR;
  CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  CK_RV rv = get(&real);
  if (rv != CKR_OK) return rv;
  list = *real;
  list.C_Login = login;
  list.C_Sign = sign;
  list.C_GenerateKeyPair = generate;
  list.C_GetSlotList = slots;
  list.C_GetTokenInfo = token_info;
  *out = &list;
  return CKR_OK;
}
