/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn of a semaphore: lib/objects/semaphore.c: acquire and release with is_left_to_another, announce_to_many, wake_turn,
 * take_turn, wait_in_turn, give_turn, wait_for_permits. The second client wants both permits, and takes the turn as soon
 * as a release has passed it by. The others want one, again and again; or the first wants one and then one more (NESTS).
 *
 * - What is free is taken, whatever was seen of it: that words are compared is in semaphore.pml and owned.pml.
 * - The owner of the turn may freeze between two looks (FROZEN_OWNER). TURN_NS is over whenever that has happened: who waits
 *   beside a turn looks again then, and disregards it.
 */
#define EVENT      0
#define TURN_EVENT 2
#define TURN       3
#define PERMIT(i)  (4 + (i))
#define PERMITS    2
#define WORDS      6
#define MANY       16
#define ENLISTED   EVENT
#define WANTED(me) (me == 2 -> 2 : 1)
#define WEIGHT(me) (me == 2 -> MANY : 1)
#define SHARE(me)  (me == 2 && parked_on[me] == EVENT -> 2 : 1)
#define PASSES_MAX /* park.c: park_is_woken */
#ifdef DEADLINE
#define HAS_DEADLINE(me) (me == 2)
#else
#define HAS_DEADLINE(me) false
#endif
#define IMPATIENT(me) HAS_DEADLINE(me)
#define FREE_COUNT ((OWNER(mem[PERMIT(0)]) -> 0 : 1) + (OWNER(mem[PERMIT(1)]) -> 0 : 1))
#include "futex.pml"
#include "owned.pml"
#include "event.pml"

#ifdef ONE_IS_KEPT /* by somebody who makes no step; then nobody has both */
#define KEEPER     7
#define BEGIN_WITH mem[PERMIT(1)] = WORD(0, KEEPER)
#else
#define KEEPER 0
#endif

bool is_left[CLIENTS + 1]; /* what is free, to another one that has the turn */

/* ---- what must hold ---- */

byte held[CLIENTS + 1]; /* permits */
byte held_count;
bool is_frozen;  /* the owner of the turn */
bool is_watched; /* and was woken, and has not parked since: futex.c: begin_grant, wake_for_free */
#ifdef FROZEN_OWNER
#define WATCHES :: atomic { is_watched && is_frozen -> is_watched = false; wake(EVENT, FREE_COUNT) }
#endif
byte passes; /* times that one who held nothing took something, while another had the turn */

inline took()
{
	held[me]++;
	held_count++;
	assert(held_count <= PERMITS);
	if
	:: me != 2 && held[me] == 1 && OWNER(mem[TURN]) && !dead[2] -> passes++
	:: else
	fi;
	assert(passes < CLIENTS) /* each of the others may have looked before */
}

inline took_back(w)
{
	if
	:: w == TURN
	:: else -> held[owner]--; held_count--
	fi
}

inline raised(e)
{
	skip
}

inline at_the_end()
{
	assert(held_count == 0 && OWNER(mem[PERMIT(0)]) == 0 && OWNER(mem[PERMIT(1)]) == KEEPER);
	assert(OWNER(mem[TURN]) == 0 || is_frozen)
}

/* ---- lib/core/sweep.c: sweep_words, count_up ---- */

inline sweep_object()
{
	let_go(PERMIT(0), 0);
	let_go(PERMIT(1), 0);
#ifndef MUTANT_SWEEP_LEAVES_THE_TURN
	let_go(TURN, 0);
#endif
	mem[EVENT] = mem[EVENT] + 1
}

/* ---- the client ---- */

/* semaphore.c: wake_turn, behind the event. It waits for the answer. */
inline wake_turn()
{
	if
	:: atomic { IS_FREE_FOR(me) -> is_parked = SOMEBODY_ON(TURN_EVENT); is_watched = is_watched || is_parked; WAKE(TURN_EVENT, 1) }
	DIES
	fi;
	if
#ifndef MUTANT_ONLY_THE_OWNER_OF_THE_TURN_IS_WOKEN
	:: atomic { !is_parked && free > 0 -> skip }; futex_wake(EVENT, free)
	:: atomic { is_parked || free == 0 -> skip }
#else
	:: true
#endif
	fi;
	atomic { is_parked = false; free = 0 }
}

/* semaphore.c: announce, announce_to_many */
inline announce(amount)
{
	event_raise(EVENT, waiters);
	if
	:: atomic { waiters == 0 }
	:: atomic { waiters > 0 && waiters < MANY -> waiters = 0 };
		futex_wake(EVENT, amount)
	:: d_step { waiters >= MANY -> waiters = 0; free = FREE_COUNT; turn = OWNER(mem[TURN]) }; /* look */
		if
#ifndef MUTANT_RELEASE_OVERLOOKS_THE_TURN
		:: turn != 0 ->
			turn = 0;
#ifndef MUTANT_TURN_WITHOUT_EVENT
			if
			:: mem[TURN_EVENT] = mem[TURN_EVENT] + 1
			DIES
			fi;
#endif
			wake_turn()
		:: turn == 0 && free > 0 ->
#else
		:: free > 0 ->
			turn = 0;
#endif
			futex_wake(EVENT, free);
			free = 0
		:: else -> turn = 0; free = 0
		fi
	fi
}

/* semaphore.c: give */
inline give(amount)
{
	do
	:: atomic {
		i < amount ->
		index = (OWNER(mem[PERMIT(0)]) == me -> 0 : 1);
		assert(OWNER(mem[PERMIT(index)]) == me);
		mem[PERMIT(index)] = 0;
		index = 0;
		held[me]--;
		held_count--;
		i++
	   }
	:: atomic { i == amount -> i = 0; break }
	DIES
	od
}

#ifdef MUTANT_TURN_IS_NOT_RESPECTED
#define IS_LEFT false
#else
#define IS_LEFT (turn != 0 && turn != me && held[me] == 0 && !is_frozen)
#endif

/* semaphore.c: try, with look, is_left_to_another and take_free. r is OK or AGAIN. */
inline try()
{
	if
	:: d_step { free = FREE_COUNT; turn = OWNER(mem[TURN]); is_left[me] = IS_LEFT; turn = 0 }
	DIES
	fi;
	if
	:: atomic { free < WANTED(me) || is_left[me] -> free = 0; r = AGAIN }
	:: atomic { free >= WANTED(me) && !is_left[me] -> free = 0 };
		do
		:: atomic {
			taken < WANTED(me) && i < PERMITS ->
			index = (me == 2 -> i : (me + i) % PERMITS);
			if
			:: OWNER(mem[PERMIT(index)])
			:: else -> mem[PERMIT(index)] = WORD(0, me); taken++; took()
			fi;
			index = 0;
			i++
		   }
		:: atomic { taken == WANTED(me) || i == PERMITS -> i = 0; break }
		DIES
		od;
		if
		:: atomic { taken == WANTED(me) -> r = OK }
		:: atomic { taken == 0 -> r = AGAIN }
		:: taken > 0 && taken < WANTED(me) -> give(1); announce(1); r = AGAIN /* of two */
		fi;
		taken = 0
	fi
}

/* semaphore.c: take_turn */
inline take_turn()
{
	if
	:: atomic { assert(OWNER(mem[TURN]) == 0); mem[TURN] = WORD(0, me); passes = 0; has_turn = true }
	DIES
	fi;
	if
	:: seen = mem[TURN_EVENT]
	DIES
	fi
}

/* semaphore.c: wait_in_turn. r is OK or TIMEDOUT. */
inline wait_in_turn()
{
	if
	:: HAS_DEADLINE(me) -> r = TIMEDOUT
#ifdef FROZEN_OWNER
	:: atomic { !dead[me] -> is_frozen = true }; goto end_frozen
#endif
	:: atomic {
		IS_FREE_FOR(me) ->
		is_watched = false;
		if
		ELSE_CHANGED(mem[TURN_EVENT] != seen)
		:: else -> park(TURN_EVENT, seen)
		fi
	   };
		if
		:: await_reply()
		/* It looks again every TURN_RENEW_NS. Here only where a session has died between give and announce, so that
		 * a wake-up that is lost otherwise is found. */
		:: atomic {
			r == OK && (dead[1] || dead[CLIENTS]) && FREE_COUNT == PERMITS && !woken[me] && IS_FREE_FOR(me) ->
			forget(me)
		   }
		fi
	DIES
	fi;
	if
	:: r == OK -> event_count(TURN_EVENT, seen)
	:: r == TIMEDOUT
	fi
}

/* semaphore.c: wait_for_permits. Beside a turn it waits for no longer than that stands. */
inline event_wait_beside_a_turn()
{
#ifdef FROZEN_OWNER
	if
	:: atomic { is_left[me] && is_frozen -> r = OK }
	:: atomic { mem[EVENT] != seen -> r = OK }
	:: atomic {
		IS_FREE_FOR(me) ->
		if
		ELSE_CHANGED(mem[EVENT] != seen)
		:: else -> park(EVENT, seen)
		fi
	   };
		if
		:: await_reply()
		:: atomic { r == OK && is_left[me] && is_frozen && !woken[me] && IS_FREE_FOR(me) -> forget(me) }
		fi
	DIES
	fi
#else
	event_wait(EVENT, seen)
#endif
}

proctype client(byte me)
{
	short seen, first, waiters;
	byte taken, free, turn, index, i, total, round;
	bool enlisted, has_turn, is_parked;
	OWNED_VARIABLES;

	do
	:: round < ROUNDS_OF(me) ->
		round++;
		/* semaphore.c: acquire, wait_and_try, wait_once */
		do
		:: true ->
			try();
			if
			:: r == OK -> break
			:: r == AGAIN && !enlisted ->
				event_enlist(EVENT, WEIGHT(me), seen);
				enlisted = true;
				first = seen
			:: r == AGAIN && enlisted && has_turn ->
				wait_in_turn();
				if
				:: r == TIMEDOUT -> break
				:: r == OK
				fi
			:: r == AGAIN && enlisted && !has_turn && WANTED(me) > 1 && seen != first -> take_turn()
			:: atomic { r == AGAIN && enlisted && !has_turn && (WANTED(me) == 1 || seen == first) -> r = OK };
				event_wait_beside_a_turn();
				if
				:: r == TIMEDOUT && HAS_DEADLINE(me) -> break
				:: else -> event_count(EVENT, seen)
				fi
			fi
		od;
		if
		:: has_turn -> /* give_turn */
			if
			:: mem[TURN] = 0
			DIES
			fi;
			has_turn = false;
#ifndef MUTANT_GIVE_TURN_IN_SILENCE
			announce(1)
#endif
		:: !has_turn
		fi;
		if
		:: enlisted -> event_leave(EVENT, WEIGHT(me)); enlisted = false; seen = 0; first = 0
		:: !enlisted
		fi;
		if
		:: r == TIMEDOUT -> goto gone
#ifdef NESTS
		:: r == OK && me == 1 && round == 1
		:: r == OK && !(me == 1 && round == 1) -> total = held[me]; give(total); announce(total); total = 0
#else
		:: r == OK -> total = held[me]; give(total); announce(total); total = 0 /* dso_semaphore_release */
#endif
		fi
	:: round == ROUNDS_OF(me) -> break
	od;
gone:	atomic {
		seen = 0; first = 0; waiters = 0; taken = 0; free = 0; turn = 0; index = 0; i = 0; total = 0; r = 0; round = 0;
		enlisted = false; has_turn = false; is_left[me] = false
	};
	if
	:: false ->
end_frozen:	false
	:: true
	fi
}

#include "storaged.pml"
