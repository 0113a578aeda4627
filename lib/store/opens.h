/* SPDX-License-Identifier: Apache-2.0 */
/* Which opener has what open: an opener's table of slots, and each object's list of opens. */
#ifndef LIB_STORE_OPENS_H
#define LIB_STORE_OPENS_H

#include "lib/store/objects.h"

#define OPENS_SLOT_BITS 20
#define OPENS_SLOT_MASK ((1u << OPENS_SLOT_BITS) - 1)

struct store_open *opens_at(const struct store_opener *opener, uint32_t slot);
/* The open of @handle, which may be any number, or NULL. */
struct store_open *opens_find(const struct store_opener *opener, uint32_t handle);
/* Make sure that there is a vacant slot. Returns 0 or -ENOMEM. */
int opens_provide(struct store_opener *opener);
/* Needs a vacant slot. */
struct store_open *opens_add(struct store_opener *opener, uint32_t index);
void opens_make_vacant(struct store_open *open);
void opens_close(struct store_open *open);
void opens_refer(const struct store_open *open, struct store_reference *ret_reference);

#endif
