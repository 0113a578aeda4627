/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/barrier.c: arrivals, the last, deadlines that break it, a reset, a party's death. The clients up to
 * WAITERS wait at it, those behind them reset it, TIMES times, and with COMES_BEHIND_ITS_RESETS then wait at it, too.
 */
#ifndef TIMES
#define TIMES 1
#endif
#ifndef COMES_BEHIND_ITS_RESETS
#define COMES_BEHIND_ITS_RESETS false
#endif
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

/* proto/layout.h: {round, arrived, history, broken}, as one number: what is taken from too small an `arrived` comes out of the
 * round. */
#ifndef HISTORY_BITS
#define HISTORY_BITS 4 /* in C 7 */
#endif
#define BROKEN         1
#define HISTORY        2
#define HISTORY_MASK   ((1 << HISTORY_BITS + 1) - 2)
#define ARRIVAL        (2 << HISTORY_BITS)
#define ROUND          (32 << HISTORY_BITS)
#define ROUND_OF(word)   ((word) / ROUND)
#define ARRIVED_OF(word) ((word) % ROUND / ARRIVAL)
/* of the event: {resets begun, resets ended, changes} */
#define ENDED          64
#define BEGUN_RESET    512
#define RESETS(event)  ((event) / ENDED)
#define IN_FLIGHT(resets) ((resets) / 8 != (resets) % 8)

/* barrier.c: completed, reset */
#define COMPLETED(word) ((word) + ROUND - PARTIES * ARRIVAL - ((word) & HISTORY_MASK) + (((word) << 1) & HISTORY_MASK))
#define BEGUN(word) (1 + ARRIVED_OF(word) / PARTIES)
#ifdef MUTANT_RESET_WITHOUT_HISTORY
#define RESET(word) ((ROUND_OF(word) + BEGUN(word)) * ROUND)
#else
#define RESET(word) ((ROUND_OF(word) + BEGUN(word)) * ROUND + ((((word) << BEGUN(word)) | ((2 << BEGUN(word)) - 2)) & HISTORY_MASK))
#endif

/* ---- what must hold ---- */

#define ROUNDS_NOTED 32
bool joined[CLIENTS + 1];     /* barrier.c: join */
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
	:: r != OK && !unknown -> failed[mine] = true
	:: else
	fi;
	unknown = false;
	assert(!succeeded[mine] || !failed[mine]) /* nor one alone */
#ifdef MUST_SUCCEED
	assert(r == OK)
#endif
}

inline at_the_end()
{
	assert(ARRIVED_OF(mem[BARRIER]) <= 2 * CLIENTS) /* those who died when they had come are counted yet */
}

/* ---- lib/core/sweep.c: break_barrier, leave_barrier ---- */

inline sweep_object()
{
	value = mem[BARRIER];
	do
	:: atomic {
		joined[owner] && !any ->
		cas(BARRIER, value, value | BROKEN);
		if
		:: before == value -> any = true
		:: else -> value = before
		fi
	   }
	:: any || !joined[owner] -> break
	od;
#ifdef MUTANT_SWEEP_WITHOUT_EVENT
	skip
#else
	mem[EVENT] = mem[EVENT] + any
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

/* barrier.c: outcome, of a round that is over. r is OK or NOTRECOVERABLE. `before` was looked at before the arrival. */
inline outcome()
{
	if
	:: atomic {
		ROUND_OF(v) - mine <= HISTORY_BITS ->
		r = ((v / HISTORY >> (ROUND_OF(v) - mine - 1)) & 1 -> NOTRECOVERABLE : OK)
	   }
	:: atomic {
		ROUND_OF(v) - mine > HISTORY_BITS ->
#if defined(MUTANT_RESETS_IN_FLIGHT_DO_NOT_COUNT)
		r = (RESETS(mem[EVENT]) == resets -> OK : NOTRECOVERABLE);
#elif defined(MUTANT_LATE_IS_COMPLETE)
		r = OK
#else
		r = (RESETS(mem[EVENT]) == resets && !IN_FLIGHT(resets) -> OK : NOTRECOVERABLE);
		unknown = r == NOTRECOVERABLE /* it may have been completed, before the reset of another round */
#endif
	   }
	DIES
	fi
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
	:: r == AGAIN && ROUND_OF(v) > mine -> outcome()
	:: atomic { r == AGAIN && ROUND_OF(v) <= mine && (v & BROKEN) -> r = NOTRECOVERABLE }
	:: atomic {
		r == AGAIN && ROUND_OF(v) <= mine && !(v & BROKEN) ->
		cas(BARRIER, v, COMPLETED(v));
		if
		:: before == v -> v = COMPLETED(v); r = OK
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
	:: r == AGAIN ->
		if
		:: ROUND_OF(v) > mine -> outcome()
		:: atomic { ROUND_OF(v) <= mine && (v & BROKEN) -> r = NOTRECOVERABLE }
		:: ROUND_OF(v) <= mine && !(v & BROKEN)
		fi;
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
	byte r, n, who, place, mine, round, crossed, resets, times;
	bool last, unknown;

	do
	:: (me <= WAITERS || COMES_BEHIND_ITS_RESETS && times == TIMES) && crossed < ROUNDS_OF(me) ->
#ifndef MUTANT_JOIN_BEHIND_THE_ARRIVAL
		joined[me] = true; /* for one that dies before nobody is woken: it never came */
#endif
#ifndef MUTANT_EVENT_BEHIND_THE_ARRIVAL
		if
		:: atomic { event = mem[EVENT]; resets = RESETS(event) } /* arrive, behind a look at the event */
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
#ifdef MUTANT_JOIN_BEHIND_THE_ARRIVAL
		if
		:: joined[me] = true
		DIES
		fi;
#endif
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
		atomic { v = 0; event = 0; mine = 0; resets = 0 };
#ifdef AGAIN_UNTIL_DONE
		crossed = crossed + (r == OK -> 1 : 0);
#else
		crossed++;
#endif
		r = 0
	:: me > WAITERS && times < TIMES -> /* dso_barrier_reset */
		times++;
		if
		:: mem[EVENT] = mem[EVENT] + BEGUN_RESET
		DIES
		fi;
		if
		:: v = mem[BARRIER]
		DIES
		fi;
		change(RESET(v));
		if
		:: mem[EVENT] = mem[EVENT] + ENDED
		DIES
		fi;
		r = 0
	:: me <= WAITERS && crossed == ROUNDS_OF(me) -> break
	:: me > WAITERS && times == TIMES && (!COMES_BEHIND_ITS_RESETS || crossed == ROUNDS_OF(me)) -> break
	od;
gone:	atomic { v = 0; before = 0; event = 0; r = 0; mine = 0; round = 0; crossed = 0; last = false; resets = 0; times = 0 }
}

#include "storaged.pml"
