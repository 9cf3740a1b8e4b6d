// SPDX-License-Identifier: Apache-2.0
/*
 * The token's raw rate of HMAC-SHA256: C_SignInit and C_Sign with CKM_SHA256_HMAC over what IoT Edge's SDKs have signed,
 * one session, one thread. The key is a token object, as a hub's is, and destroyed at the end.
 */
#include "raw-rate.h"

static CK_OBJECT_HANDLE token_key(struct token token) {
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
  MUST(token.p11->C_GenerateKey(token.session, &generation, attributes, sizeof attributes / sizeof attributes[0], &key));
  return key;
}

int main(int argc, char **argv) {
  struct token token = open_token(argc, argv);
  CK_OBJECT_HANDLE key = token_key(token);
  CK_BYTE data[] = "plant.azure-devices.net%2Fdevices%2Fline-4%2Fmodules%2Fhistorian\n1795322675";
  print_rate(token, CKM_SHA256_HMAC, key, data, sizeof data - 1, atof(argv[4]));
  MUST(token.p11->C_DestroyObject(token.session, key));
  token.p11->C_Finalize(NULL);
  return 0;
}
