/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CLIENT_SENTENCES_H
#define LIB_CLIENT_SENTENCES_H

/* A sentence for an errno (negative) that an operation on an object returned; never NULL. */
const char *error_sentence(int error);

#endif
