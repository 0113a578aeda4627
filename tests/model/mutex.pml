/* SPDX-License-Identifier: Apache-2.0 */
/* lib/objects/mutex.c: lock, unlock with or without consistent, an owner that dies, one who waits no longer. */
#define WORDS 1
#define MUTEX 0
#define STOP LOST
#include "futex.pml"
#include "owned.pml"

/* ---- what must hold ---- */

byte holder;   /* 0: nobody */
bool is_owed;  /* the owner before died with it, and nobody has said that it is consistent */
bool is_lost;  /* given back like that */
short newest;  /* token */

inline took(w, i)
{
	assert(holder == 0);
	assert(!is_lost);
	assert(((mem[w] & DIED) != 0) == is_owed); /* told to exactly the next */
	holder = i;
	assert(TOKEN(mem[MUTEX]) > newest); /* larger than any before */
	newest = TOKEN(mem[MUTEX])
}

inline gave(w, clear, set)
{
	assert(holder == me);
	holder = 0;
	is_lost = is_owed
}

inline cleared(w)
{
	assert(holder == me && is_owed);
	is_owed = false
}

inline took_back(w)
{
	assert(holder == owner);
	holder = 0;
	is_owed = true
}

/* ---- lib/core/sweep.c: sweep_object ---- */

inline sweep_object()
{
	let_go(MUTEX, DIED);
	assert(holder != owner) /* no hold of a dead owner stays */
}

inline at_the_end()
{
	assert(holder == 0 && OWNER(mem[MUTEX]) == 0)
}

/* ---- the clients ---- */

proctype client(byte me)
{
	short word;
	byte round;
	OWNED_VARIABLES;

	do
	:: round < ROUNDS_OF(me) ->
		round++;
		owned_take(MUTEX, word); /* mutex.c: mutex_lock */
		if
		:: atomic { r == OK -> assert(holder == me && !is_owed) }
		:: atomic { r == OWNERDEAD -> assert(holder == me && is_owed) }; owned_clear(MUTEX, word, DIED) /* dso_mutex_consistent */
		:: r == OWNERDEAD /* or he forgets about it */
		:: r == ALREADY -> assert(is_lost); goto gone
		:: r == TIMEDOUT -> goto gone
		fi;
		/* mutex.c: mutex_unlock */
		if
		:: word & DIED -> owned_give(MUTEX, word, DIED, LOST, EVERYBODY)
		:: !(word & DIED) -> owned_give(MUTEX, word, DIED, 0, 1)
		fi
	:: round == ROUNDS_OF(me) -> break
	od;
gone:	atomic { word = 0; before = 0; r = 0; round = 0 }
#ifdef FREEZE
	goto over;
end_frozen:
	false;
over:	skip
#endif
}

#include "storaged.pml"
