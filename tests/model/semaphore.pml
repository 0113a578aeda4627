/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/semaphore.c: permits taken and given back one by one, those who wait for one and for several, an owner
 * that dies, one who waits no longer. The second client wants two permits, the others one.
 */
#define PERMITS 2
#define EVENT      0
#define PERMIT(i)  (2 + (i))
#define WORDS      (2 + PERMITS)
#define MANY       16
#define ENLISTED   EVENT
#define WEIGHT(me) (WANTED(me) > 1 -> MANY : 1)
#define TOKENS     2 /* they come round at once: a permit without an owner is as good as another */
#ifndef FIRST_WANTS
#define FIRST_WANTS 1
#endif
#define WANTED(me) (me == 2 -> 2 : (me == 1 -> FIRST_WANTS : 1))
#define SHARE(me) WANTED(me)
#ifdef KEEPS /* the first client keeps a permit for ever: the second may wait in vain, until its deadline, and the third not */
#define IMPATIENT(me) (me == 2)
#define KEPT 1
#else
#define KEPT 0
#endif
#include "futex.pml"
#include "owned.pml"
#include "event.pml"

/* ---- what must hold ---- */

byte held[CLIENTS + 1]; /* permits */
byte held_count;
bool has_begun; /* the first client had all that it wants */

inline took(w)
{
	held[me]++;
	held_count++;
	assert(held_count <= PERMITS);
	has_begun = has_begun || held[1] == FIRST_WANTS
}

inline gave(w, clear, set)
{
	assert(held[me] > 0);
	held[me]--;
	held_count--
}

inline took_back(w)
{
	assert(held[owner] > 0);
	held[owner]--;
	held_count--
}

inline raised(e)
{
	skip
}

inline at_the_end()
{
	assert(held_count == KEPT);
	assert((OWNER(mem[PERMIT(0)]) != 0 -> 1 : 0) + (OWNER(mem[PERMIT(1)]) != 0 -> 1 : 0) == KEPT)
}

/* ---- lib/core/sweep.c: sweep_words, count_up ---- */

inline sweep_object()
{
	let_go(PERMIT(0), 0);
	let_go(PERMIT(1), 0);
	assert(held[owner] == 0);
#ifndef MUTANT_SWEEP_WITHOUT_EVENT
	if
#ifdef MUTANT_SWEEP_FORGETS_HALF_RELEASED /* who died between a permit's return and the event held nothing any more */
	:: any -> mem[EVENT] = mem[EVENT] + 1
	:: !any -> skip
#else
	:: true -> mem[EVENT] = mem[EVENT] + 1
#endif
	fi
#endif
}

/* ---- the client ---- */

/* semaphore.c: give, of the newest `amount` permits, then announce */
inline give_and_announce(amount)
{
	total = amount;
	i = 0;
	do
	:: atomic {
		i < amount ->
		index = mine[taken - 1];
		cas(PERMIT(index), words[index], WORD(TOKEN(words[index]), 0));
		assert(before == words[index]); /* -EPERM */
		words[index] = 0;
		before = 0;
		gave(PERMIT(index), 0, 0);
		taken--;
		mine[taken] = 0;
		index = 0;
		i++
	   }
	:: atomic { i == amount -> i = 0; break }
	DIES
	od;
#ifndef MUTANT_GIVE_WITHOUT_WAKE
	event_raise(EVENT, waiters);
	if
	:: atomic { waiters == 0 -> total = 0 }
#ifdef MUTANT_MANY_COUNT_AS_ONE
	:: atomic { waiters > 0 -> waiters = 0 };
#else
	:: atomic { waiters > 0 && waiters < MANY -> waiters = 0 };
#endif
		futex_wake(EVENT, total);
		total = 0
#ifndef MUTANT_MANY_COUNT_AS_ONE
	:: d_step { /* announce_to_many */
		waiters >= MANY ->
		waiters = 0;
		total = (OWNER(mem[PERMIT(0)]) -> 0 : 1) + (OWNER(mem[PERMIT(1)]) -> 0 : 1)
	   };
		if
		:: total > 0 -> futex_wake(EVENT, total)
		:: total == 0
		fi;
		total = 0
#endif
	fi
#else
	total = 0
#endif
}

/* Only those of held permits are looked at before the next look. */
inline forget_words()
{
	words[0] = (OWNER(words[0]) == me -> words[0] : 0);
	words[PERMITS - 1] = (OWNER(words[PERMITS - 1]) == me -> words[PERMITS - 1] : 0)
}

/* semaphore.c: try. r is OK or AGAIN. */
inline try()
{
	/* look */
	if
	:: d_step {
		do
		:: i < PERMITS ->
			words[i] = mem[PERMIT(i)];
			free = free + (OWNER(words[i]) == 0 -> 1 : 0);
			i++
		:: else -> break
		od;
		i = 0
	   }
	DIES
	fi;
	if
	:: atomic { free < WANTED(me) -> free = 0; r = AGAIN; forget_words() }
	:: atomic { free >= WANTED(me) -> free = 0 };
		/* take_free, take */
		do
		:: atomic {
			taken < WANTED(me) && taken + PERMITS - i >= WANTED(me) ->
			index = (WANTED(me) == 1 -> (me + i) % PERMITS : i);
			if
			:: OWNER(words[index]) -> skip
			:: else ->
				cas(PERMIT(index), words[index], TAKEN(words[index]));
				if
				:: before == words[index] ->
					words[index] = TAKEN(words[index]); before = 0;
					mine[taken] = index;
					taken++;
					took(PERMIT(index))
				:: else -> words[index] = before; before = 0
				fi
			fi;
			index = 0;
			i++
		   }
		:: atomic { taken == WANTED(me) || taken + PERMITS - i < WANTED(me) -> i = 0; forget_words(); break }
		DIES
		od;
		if
		:: atomic { taken == WANTED(me) -> r = OK }
		:: atomic { taken < WANTED(me) && taken == 0 -> r = AGAIN }
		:: atomic { taken < WANTED(me) && taken > 0 -> skip };
#ifdef MUTANT_STEP_BACK_IN_SILENCE
			atomic { assert(taken == 1); cas(PERMIT(mine[0]), words[mine[0]], WORD(TOKEN(words[mine[0]]), 0)); gave(0, 0, 0); taken = 0 };
#else
			give_and_announce(1); /* of two wanted */
#endif
			r = AGAIN
		fi
	fi
}

proctype client(byte me)
{
	short seen, waiters;
	short words[PERMITS];
	byte mine[2];
	byte taken, free, index, i, total, round;
	bool enlisted;
	OWNED_VARIABLES;

#if FIRST_WANTS == 2 /* and has them, before the others come */
	(me == 1 || has_begun);
#endif
	do
	:: round < ROUNDS_OF(me) ->
		round++;
		/* semaphore.c: acquire, wait_and_try */
		do
		:: true ->
			try();
			if
			:: r == OK -> break
			:: atomic { r == AGAIN && enlisted -> r = OK };
#ifdef MUTANT_COUNT_AFTER_LOOK
				event_count(EVENT, seen);
#endif
				event_wait(EVENT, seen);
				if
				:: r == TIMEDOUT -> break
				:: r == OK -> event_count(EVENT, seen)
				fi
			:: r == AGAIN && !enlisted ->
				event_enlist(EVENT, WEIGHT(me), seen);
				enlisted = true
#ifdef MUTANT_LOOK_BEFORE_ENLIST
				; event_wait(EVENT, seen);
				if
				:: r == TIMEDOUT -> break
				:: r == OK -> event_count(EVENT, seen)
				fi
#endif
			fi
		od;
		if
		:: enlisted -> event_leave(EVENT, WEIGHT(me)); enlisted = false; seen = 0
		:: !enlisted
		fi;
		if
		:: r == TIMEDOUT -> goto gone
#ifdef KEEPS
		:: r == OK && me == 1 && FIRST_WANTS == 1 -> goto gone
		:: r == OK && me == 1 && FIRST_WANTS == 2 -> give_and_announce(1); goto gone
		:: r == OK && me != 1 -> give_and_announce(WANTED(me))
#else
		:: r == OK -> give_and_announce(WANTED(me))
#endif
		fi /* dso_semaphore_release */
	:: round == ROUNDS_OF(me) -> break
	od;
gone:	atomic {
		seen = 0; waiters = 0; words[0] = 0; words[PERMITS - 1] = 0; mine[0] = 0; mine[1] = 0; before = 0;
		taken = 0; free = 0; index = 0; i = 0; total = 0; r = 0; round = 0; enlisted = false
	}
}

#include "storaged.pml"
