/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/barrier.c: arrivals, the last, deadlines that break it, a reset, a party's death. The clients up to
 * WAITERS wait at it, those behind them reset it.
 */
#ifndef PARTIES
#define PARTIES 3
#endif
#ifndef WAITERS
#define WAITERS CLIENTS
#endif
#define BARRIER 0
#define EVENT   1
#define WORDS   2
#include "futex.pml"

/* proto/layout.h: {round, arrived, flags}, as one number: what is taken from too small an `arrived` comes out of the round */
#define BROKEN         1
#define ARRIVAL        2
#define ROUND          64
#define ROUND_OF(word)   ((word) / ROUND)
#define ARRIVED_OF(word) ((word) % ROUND / ARRIVAL)
#ifdef MUTANT_RESET_BY_PARITY
#define RESET 2 /* an odd number of rounds: it was completed */
#else
#define RESET 8 /* rounds that a reset goes on: more than can be completed while somebody has yet to look. In C 65536 */
#endif
#define OUTCOME(past)  ((past) % RESET -> OK : NOTRECOVERABLE)

/* ---- what must hold ---- */

#define ROUNDS_NOTED 32
byte arrivals[ROUNDS_NOTED];  /* of each round, before it was broken */
bool succeeded[ROUNDS_NOTED]; /* for somebody who arrived in it */
bool failed[ROUNDS_NOTED];    /* likewise */

/* r is what a client that arrived in its round is told */
inline told()
{
	if
	:: r == OK ->
		succeeded[mine] = true;
		assert(arrivals[mine] == PARTIES) /* nobody crosses before all have come */
	:: else -> failed[mine] = true
	fi;
#ifndef CROWDED /* a reset while more come than there are parties: who lags behind may be told the wrong thing */
	assert(!succeeded[mine] || !failed[mine]) /* nor one alone */
#endif
#ifdef MUST_SUCCEED
	assert(r == OK)
#endif
}

inline at_the_end()
{
	assert(ARRIVED_OF(mem[BARRIER]) <= 2 * CLIENTS) /* those who died when they had come are counted yet */
}

/* ---- lib/sweep.c: break_barrier ---- */

inline sweep_object()
{
	value = mem[BARRIER];
	do
	:: atomic {
		!any ->
		cas(BARRIER, value, value | BROKEN);
		if
		:: before == value -> any = true
		:: else -> value = before
		fi
	   }
	:: any -> break
	od;
#ifdef MUTANT_SWEEP_WITHOUT_EVENT
	skip
#else
	mem[EVENT] = mem[EVENT] + 1
#endif
}

/* ---- the client ---- */

/* barrier.c: announce */
inline announce()
{
#ifndef MUTANT_CHANGE_WITHOUT_EVENT
	if
	:: mem[EVENT] = mem[EVENT] + 1
	DIES
	fi;
#endif
	futex_wake_all(EVENT)
}

/* barrier.c: change, of v. r is OK or AGAIN. */
inline change(changed)
{
	round = ROUND_OF(v);
	r = NOTHING;
	do
	:: atomic {
		r == NOTHING ->
		cas(BARRIER, v, changed);
		if
		:: before == v -> r = OK
		:: before != v && ROUND_OF(before) != round -> r = AGAIN
		:: else -> v = before
		fi
	   }
	:: r != NOTHING -> break
	DIES
	od;
	atomic { round = 0; before = 0 };
	if
	:: r == OK -> announce()
	:: r == AGAIN
	fi
}

/* barrier.c: step_back */
inline step_back()
{
	do
	:: atomic {
		ROUND_OF(v) == mine && (v & BROKEN) && ARRIVED_OF(v) ->
		cas(BARRIER, v, v - ARRIVAL);
		v = (before == v -> 0 : before)
	   }
	:: !(ROUND_OF(v) == mine && (v & BROKEN) && ARRIVED_OF(v)) -> break
	DIES
	od
}

/* barrier.c: complete. The last to come begins the next round, unless it was broken or reset meanwhile. */
inline complete()
{
#ifdef MUTANT_LAST_ADDS
	if
	:: mem[BARRIER] = mem[BARRIER] + ROUND - PARTIES * ARRIVAL
	DIES
	fi;
	announce();
	r = OK
#else
	r = AGAIN;
	do
	:: atomic { r == AGAIN && ROUND_OF(v) > mine -> r = OUTCOME(ROUND_OF(v) - mine) }
	:: atomic { r == AGAIN && ROUND_OF(v) <= mine && (v & BROKEN) -> r = NOTRECOVERABLE }
	:: atomic {
		r == AGAIN && ROUND_OF(v) <= mine && !(v & BROKEN) ->
		cas(BARRIER, v, v + ROUND - PARTIES * ARRIVAL);
		if
		:: before == v -> v = v + ROUND - PARTIES * ARRIVAL; r = OK
		:: else -> v = before
		fi
	   };
		if
		:: r == OK -> announce(); r = AGAIN
		:: r == AGAIN
		fi
	:: r != AGAIN -> break
	DIES
	od
#endif
}

/* barrier.c: wait_for_others. v is what was seen of the word behind the look at the event. */
inline wait_for_others()
{
	r = AGAIN;
	do
	:: atomic { r == AGAIN ->
		if
		:: ROUND_OF(v) > mine -> r = OUTCOME(ROUND_OF(v) - mine)
		:: ROUND_OF(v) <= mine && (v & BROKEN) -> r = NOTRECOVERABLE
		:: else
		fi
	   };
		if
		:: r == AGAIN ->
			futex_wait(EVENT, event);
			if
			:: r == OK -> r = AGAIN
			:: r == TIMEDOUT ->
				change(v | BROKEN);
#ifndef MUTANT_LATE_AND_DONE
				r = (r == OK -> TIMEDOUT : AGAIN)
#else
				r = TIMEDOUT
#endif
			fi;
			if
			:: r == AGAIN -> /* look: the event first */
				if
				:: event = mem[EVENT]
				DIES
				fi;
				if
				:: v = mem[BARRIER]
				DIES
				fi
			:: r != AGAIN
			fi
		:: r != AGAIN
		fi
	:: r != AGAIN -> break
	DIES
	od
}

proctype client(byte me)
{
	short v, before, event;
	byte r, n, who, place, mine, round, crossed;
	bool last;

	do
	:: me <= WAITERS && crossed < ROUNDS_OF(me) ->
#ifndef MUTANT_EVENT_BEHIND_THE_ARRIVAL
		if
		:: event = mem[EVENT] /* arrive, behind a look at the event */
		DIES
		fi;
#endif
		if
		:: atomic {
			true ->
			before = mem[BARRIER];
			mem[BARRIER] = before + ARRIVAL;
			v = before + ARRIVAL;
			mine = ROUND_OF(before);
			if
			:: before & BROKEN -> r = NOTRECOVERABLE
			:: else ->
				r = OK;
				mine = mine + ARRIVED_OF(before) / PARTIES;
				last = ARRIVED_OF(before) % PARTIES + 1 == PARTIES;
				arrivals[mine]++
			fi;
			before = 0
		   }
		DIES
		fi;
#ifdef MUTANT_EVENT_BEHIND_THE_ARRIVAL
		if
		:: event = mem[EVENT]
		DIES
		fi;
#endif
		if
		:: r == NOTRECOVERABLE -> step_back()
		:: atomic { r == OK && last -> last = false }; complete(); told()
		:: atomic { r == OK && !last -> skip }; wait_for_others(); told()
		fi;
		atomic { v = 0; event = 0; mine = 0 };
#ifdef AGAIN_UNTIL_DONE
		crossed = crossed + (r == OK -> 1 : 0);
#else
		crossed++;
#endif
		r = 0
	:: me > WAITERS && crossed < ROUNDS_OF(me) -> /* dso_barrier_reset */
		crossed++;
		if
		:: v = mem[BARRIER]
		DIES
		fi;
		change((ROUND_OF(v) + RESET) * ROUND);
		r = 0
	:: crossed == ROUNDS_OF(me) -> break
	od;
gone:	atomic { v = 0; before = 0; event = 0; r = 0; mine = 0; round = 0; crossed = 0; last = false }
}

#include "storaged.pml"
