// SPDX-License-Identifier: Apache-2.0
/*
 * The token's raw rate: C_SignInit and C_Sign with CKM_ECDSA, P-256, over 32 bytes, one session, one thread. The key is
 * a token object, as a CA's is, and destroyed at the end.
 */
#include "raw-rate.h"

struct pair {
  CK_OBJECT_HANDLE public_key, private_key;
};

static struct pair token_key(struct token token) {
  CK_BBOOL yes = CK_TRUE;
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_MECHANISM generation = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_ATTRIBUTE pub[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}, {CKA_VERIFY, &yes, 1}};
  CK_ATTRIBUTE prv[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_SIGN, &yes, 1}};
  struct pair pair;
  MUST(token.p11->C_GenerateKeyPair(token.session, &generation, pub, 3, prv, 4, &pair.public_key, &pair.private_key));
  return pair;
}

int main(int argc, char **argv) {
  struct token token = open_token(argc, argv);
  struct pair key = token_key(token);
  CK_BYTE digest[32] = {1};
  print_rate(token, CKM_ECDSA, key.private_key, digest, sizeof digest, atof(argv[4]));
  MUST(token.p11->C_DestroyObject(token.session, key.private_key));
  MUST(token.p11->C_DestroyObject(token.session, key.public_key));
  token.p11->C_Finalize(NULL);
  return 0;
}
