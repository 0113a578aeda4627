/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned words: lib/objects/owned.c, step by step, and lib/core/sweep.c. What is within one atomic step here is one atomic on
 * the word and what its client makes of the answer.
 */
/* Of a client; waited: he was woken, and others may be parked behind him. */
#define OWNED_VARIABLES short before; byte r, n, who, place; bool looked, waited, may_pause

/* owned.c: owned_wait. r is OK or TIMEDOUT. Of v only the token is looked at behind that. */
inline owned_wait(w, v)
{
	if
#ifndef NO_SPIN /* in vain: what comes of it is what comes of coming later */
	:: atomic { !(v & WAITED) -> v = WORD(TOKEN(v), 0); r = OK } /* spin_on: a moment passed */
#endif
	:: atomic { true -> v = WORD(TOKEN(v), 0) }; futex_wait_owned(w)
	DIES
	fi
}

#ifdef STOP
/* owned.c: take_from. r: OK, OWNERDEAD, AGAIN, TIMEDOUT. */
inline take_from(w, v)
{
	if
#ifndef NO_SPIN
	:: atomic { !(v & WAITED) -> v = GIVEN_BACK(v) } /* spin_on: a moment passed */
#endif
	:: futex_take(w, v)
	DIES
	fi
}

/* owned.c: owned_take with owned_try_take. v: what was last seen. r: OK, OWNERDEAD, ALREADY, TIMEDOUT. */
inline owned_take(w, v)
{
	atomic { waited = false; v = GIVEN_BACK(v); r = AGAIN };
	do
	:: r == AGAIN && OWNER(v) -> take_from(w, v)
	:: r == AGAIN && !OWNER(v) && (v & (STOP)) -> r = ALREADY
	:: atomic {
		r == AGAIN && !OWNER(v) && !(v & (STOP)) -> /* owned_try_take */
		cas(w, v, TAKEN(v) | waited);
		if
		:: before == v ->
			v = TAKEN(v) | waited;
			r = (v & DIED -> OWNERDEAD : OK);
			took(w, me)
		:: else -> v = before
		fi
	   }
	:: r != AGAIN -> break
	DIES
	od;
	if
	:: atomic { !waited || r == OK || r == OWNERDEAD -> waited = false }
#ifdef MUTANT_LATE_AND_WOKEN
	:: atomic { waited && (r == ALREADY || r == TIMEDOUT) -> waited = false }
#else
	:: atomic { waited && (r == ALREADY || r == TIMEDOUT) -> waited = false };
		futex_wake_all(w)
#endif
	DIES
	fi
}
#endif

/* owned.c: replace, then the wake-up: one compare-and-swap, or two in one round trip, the second with the flag of a waiter.
 * gave(w, clear, set): noted in the step in which the word is given back. */
#define FREED(v, clear, set) ((WITHOUT_OWNER(v) & ~((clear) | WAITED)) | (set))
#ifdef MUTANT_SECOND_TRY_WITH_A_STALE_OWNER /* the word is replaced whosever it is by then */
#define SECOND_TRY(w, v, clear, set) before = mem[w]; mem[w] = FREED(v, clear, set)
#else
#define SECOND_TRY(w, v, clear, set) cas(w, (v | WAITED), FREED(v, clear, set))
#endif
inline owned_give(w, v, clear, set, count)
{
	r = AGAIN;
	do
	:: atomic {
		r == AGAIN ->
		cas(w, v, FREED(v, clear, set));
		if
		:: before == v -> r = OK; gave(w, clear, set)
		:: else ->
			assert(IDENTITY(before) == IDENTITY(v)); /* -EPERM: it was taken from its owner */
			v = before
		fi
	   }
	:: atomic {
		r == AGAIN && !(v & WAITED) ->
		cas(w, v, FREED(v, clear, set));
		if
		:: before == v -> r = OK; gave(w, clear, set)
		:: else
		fi
	   };
		if
		:: atomic {
			SECOND_TRY(w, v, clear, set);
			if
			:: before == (v | WAITED) ->
				r = OK;
#ifndef MUTANT_SECOND_TRY_FORGETS_THE_WAITER
				v = v | WAITED;
#endif
				gave(w, clear, set)
			:: before != (v | WAITED) && r == AGAIN ->
				assert(IDENTITY(before) == IDENTITY(v));
				v = before
			:: before != (v | WAITED) && r != AGAIN
			fi
		   }
		DIES
		fi
	:: r == OK -> break
	DIES
	od;
	if
	:: atomic { v & WAITED -> v = FREED(v, clear, set) };
#ifndef MUTANT_GIVE_WITHOUT_WAKE
		if
		:: (count) == EVERYBODY -> futex_wake_all(w)
		:: (count) != EVERYBODY -> futex_wake(w, count)
		fi
#endif
	:: atomic { !(v & WAITED) -> v = FREED(v, clear, set) }
	fi
}

/* owned.c: owned_clear */
inline owned_clear(w, v, clear)
{
	r = AGAIN;
	do
	:: atomic {
		r == AGAIN ->
		cas(w, v, v & ~(clear));
		if
		:: before == v -> r = OK; v = v & ~(clear); cleared(w)
		:: else ->
			assert(IDENTITY(before) == IDENTITY(v));
			v = before
		fi
	   }
	:: r == OK -> break
	DIES
	od
}

/* sweep.c: sweep_words and let_go, for one word. took_back(w): noted in the step in which its owner is taken out. */
inline let_go(w, died_flags)
{
	value = mem[w];
	do
	:: atomic {
		OWNER(value) == owner && !(value & GRANTED) ->
		cas(w, value, WORD(TOKEN(value), 0) | (died_flags));
		if
		:: before == value -> any = true; took_back(w); value = 0
		:: else -> value = before
		fi
	   }
#ifdef MUTANT_SWEEP_ONCE
		; break
#endif
	:: atomic { /* it had not taken the word up: without_the_dead */
		OWNER(value) == owner && (value & GRANTED) ->
#if defined(MUTANT_SWEEP_TELLS_OF_A_GRANT)
		cas(w, value, WORD(TOKEN(value), 0) | (died_flags));
#elif defined(MUTANT_SWEEP_FORGETS_THE_DEATH_BEFORE)
		cas(w, value, WORD(TOKEN(value), 0));
#else
		cas(w, value, WORD(TOKEN(value), 0) | (value & (DIED | LOST | DONE)));
#endif
		if
		:: before == value -> any = true; value = 0
		:: else -> value = before
		fi
	   }
#ifdef MUTANT_SWEEP_ONCE
		; break
#endif
	:: OWNER(value) != owner -> break
	od
}
