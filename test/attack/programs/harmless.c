// SPDX-License-Identifier: Apache-2.0
// A library with nothing in it: where it is loaded from is what matters.
int harmless(void) { return 0; }
