/* SPDX-License-Identifier: Apache-2.0 */
/* lib/objects/once.c: begin, done or abandon, an owner that dies, one who waits no longer. */
#define ONCE 0
#define WORDS 1
#define STOP DONE
#include "futex.pml"
#include "owned.pml"

byte doing;    /* 0: nobody */
bool was_done;

inline took(w, i)
{
	assert(doing == 0 && !was_done);
	doing = i
}

inline gave(w, clear, set)
{
	assert(doing == me && !was_done);
	doing = 0;
	was_done = (set) == DONE
}

inline took_back(w)
{
	assert(doing == owner);
	doing = 0
}

inline sweep_object()
{
	let_go(ONCE, 0);
	assert(doing != owner)
}

inline at_the_end()
{
	assert(doing == 0 && OWNER(mem[ONCE]) == 0);
	assert(was_done == ((mem[ONCE] & DONE) != 0))
}

proctype client(byte me)
{
	short word;
	byte round;
	OWNED_VARIABLES;

	do
	:: round < ROUNDS_OF(me) ->
		round++;
		owned_take(ONCE, word); /* dso_once_begin */
		if
		:: r == OK -> owned_give(ONCE, word, 0, DONE, EVERYBODY) /* dso_once_done */
		:: r == OK -> owned_give(ONCE, word, 0, 0, EVERYBODY)    /* give_up */
		:: r == ALREADY -> assert(was_done)
		:: r == TIMEDOUT
		fi
	:: round == ROUNDS_OF(me) -> break
	od;
gone:	atomic { word = 0; before = 0; r = 0; round = 0 }
}

#include "storaged.pml"
