/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/future.c: the first client promises and then sets it, the second sets it, both then get it as the third
 * does. The second lives.
 */
#define FUTURE 0
#define WORDS  1
#define SETTLED (DONE | DIED)
#define MORTAL(me) (me != 2)
#define IMPATIENT(me) (me == 2)
#include "futex.pml"
#include "owned.pml"

byte setter;     /* 0: nobody */
bool is_settled;
byte slot[2];    /* its two halves: who wrote them */

inline took(w)
{
	assert(setter == 0 && !is_settled);
	setter = me
}

inline gave(w, clear, set)
{
	assert(setter == me && !is_settled);
	setter = 0;
	is_settled = true
}

inline took_back(w)
{
	assert(setter == owner);
	setter = 0;
	is_settled = true
}

inline sweep_object()
{
	let_go(FUTURE, DIED);
	assert(setter != owner)
}

inline at_the_end()
{
	assert(is_settled)
}

/* future.c: wait_for_change. It may have no owner yet. */
inline wait_for_change()
{
	if
	:: atomic { !(word & WAITED) -> r = OK } /* spin_on: a moment passed */
	:: atomic { /* word.c: word_flag */
		if
		:: word & WAITED -> r = OK
		:: !(word & WAITED) ->
			cas(FUTURE, word, word | WAITED);
			if
			:: before == word -> word = word | WAITED; r = OK
			:: else -> word = before; r = AGAIN
			fi
		fi
	   };
		if
		:: atomic { r == AGAIN -> r = OK }
		:: atomic { r != AGAIN -> skip };
			futex_wait(FUTURE, word)
		fi
	DIES
	fi
}

proctype client(byte me)
{
	short word;
	OWNED_VARIABLES;

	if
	:: me < 3 ->
		/* promise: takes the word, or does not wait */
		word = GIVEN_BACK(word);
		r = AGAIN;
		do
		:: r == AGAIN && OWNER(word) -> r = TIMEDOUT
		:: r == AGAIN && !OWNER(word) && (word & SETTLED) -> r = ALREADY
		:: atomic {
			r == AGAIN && !OWNER(word) && !(word & SETTLED) ->
			cas(FUTURE, word, TAKEN(word));
			if
			:: before == word -> word = TAKEN(word); r = OK; took(FUTURE)
			:: else -> word = before
			fi
		   }
		:: r != AGAIN -> break
		DIES
		od;
		if
		:: r == OK ->
			/* write_slot */
			if
			:: slot[0] = me
			DIES
			fi;
#ifdef MUTANT_GIVE_BEFORE_WRITTEN
			owned_give(FUTURE, word, 0, DONE, EVERYBODY);
#endif
			if
			:: slot[1] = me
			DIES
			fi;
#ifndef MUTANT_GIVE_BEFORE_WRITTEN
			owned_give(FUTURE, word, 0, DONE, EVERYBODY)
#endif
		:: r != OK
		fi
	:: me >= 3
	fi;
	/* wait_until_settled */
	r = OK;
	do
	:: atomic { r == OK && !(word & SETTLED) -> word = mem[FUTURE] };
		if
		:: word & SETTLED
		:: !(word & SETTLED) -> wait_for_change()
		fi
	:: r != OK || (word & SETTLED) -> break
	DIES
	od;
	if
	:: r != OK
	:: atomic { r == OK && (word & DONE) -> assert(slot[0] == slot[1] && slot[0] != 0) } /* read_slot */
	:: r == OK && !(word & DONE) -> assert(is_settled) /* a broken promise */
	fi;
gone:	atomic { word = 0; before = 0; r = 0 }
}

#include "storaged.pml"
