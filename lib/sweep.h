/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: what a session held when it ended is taken back, word by word, after it was fenced. Which
 * words an object type has that a session can be in is in one table.
 */
#ifndef LIB_SWEEP_H
#define LIB_SWEEP_H

#include "lib/store/store.h"
#include "lib/transport.h"

/*
 * Let go of every word of the object that names @owner. @died: the session ended without a goodbye. Returns
 * whether there was any: then who is parked on the object is to be woken. A word that cannot be reached
 * counts in *failures.
 */
bool sweep_object(struct transport *transport, const struct store_reference *reference,
		  uint16_t owner, bool died, unsigned *failures);

#endif
