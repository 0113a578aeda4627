/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned words: lib/objects/owned.c, step by step, and lib/sweep.c. What is within one atomic step here is one atomic on
 * the word and what its client makes of the answer.
 */
#define TAKEN(word) (WORD((TOKEN(word) + 1) % TOKENS, me) | ((word) & FLAGS))
#define GIVEN_BACK(word) (WITHOUT_OWNER(word) & ~WAITED)

/* Of a client; waited is patience.waited. */
#ifdef MUTANT_TAKE_WHAT_IS_OWNED /* a flag that could not be set, because the word has another owner now */
#define OWNED_VARIABLES short before; byte r, n, who, place; bool waited, unseen
#define LOOKS_OWNED(v) (OWNER(v) && !unseen)
#else
#define OWNED_VARIABLES short before; byte r, n, who, place; bool waited
#define LOOKS_OWNED(v) OWNER(v)
#endif

/* owned.c: owned_wait. v: the value that was seen; then, what to try. r is OK or TIMEDOUT. */
inline owned_wait(w, v)
{
	if
#ifndef NO_SPIN /* in vain: what comes of it is what comes of coming later */
	:: atomic { !(v & WAITED) -> v = GIVEN_BACK(v); r = OK } /* spin_on: a moment passed */
#endif
#ifdef MUTANT_LATE_AND_WOKEN
	:: IMPATIENT(me) -> r = TIMEDOUT /* the deadline is over */
#else
	:: IMPATIENT(me) && !waited -> r = TIMEDOUT /* the deadline is over, and nobody is behind him */
#endif
	:: atomic { /* word.c: word_flag */
		if
		:: v & WAITED -> r = OK
		:: !(v & WAITED) ->
			cas(w, v, v | WAITED);
			if
			:: before == v -> v = v | WAITED; r = OK
			:: else ->
#ifdef MUTANT_TAKE_WHAT_IS_OWNED
				unseen = true;
#endif
				v = before;
				r = AGAIN
			fi
		fi
	   };
		if
		:: atomic { r == AGAIN -> r = OK }
		:: atomic { r != AGAIN -> skip };
			futex_wait_owned(w);
			if
			:: atomic {
				r == OK ->
#ifndef MUTANT_WOKEN_AND_NOT_WAITED
				waited = true;
#endif
				v = GIVEN_BACK(v)
			   }
			:: atomic { r == AGAIN -> r = OK; v = GIVEN_BACK(v) }
			:: r == TIMEDOUT
			fi
		fi
	DIES
	fi
}

/* owned.c: owned_take with try_take. v: what was last seen. r: OK, OWNERDEAD, ALREADY, TIMEDOUT. took(w): what a model
 * notes in the step in which the word is taken. */
inline owned_take(w, v, stop)
{
	atomic { waited = false; v = GIVEN_BACK(v); r = AGAIN };
	do
	:: r == AGAIN && LOOKS_OWNED(v) ->
		owned_wait(w, v);
		r = (r == OK -> AGAIN : r)
	:: r == AGAIN && !LOOKS_OWNED(v) && (v & (stop)) -> r = ALREADY
	:: atomic {
		r == AGAIN && !LOOKS_OWNED(v) && !(v & (stop)) -> /* try_take */
#ifdef MUTANT_TAKE_WHAT_IS_OWNED
		unseen = false;
#endif
		cas(w, v, TAKEN(v) | waited);
		if
		:: before == v ->
			v = TAKEN(v) | waited;
			r = (v & DIED -> OWNERDEAD : OK);
			took(w)
		:: else -> v = before
		fi
	   }
	:: r != AGAIN -> waited = false; break
	DIES
	od
}

/* owned.c: replace, then the wake-up. gave(w, clear, set): noted in the step in which the word is given back. */
inline owned_give(w, v, clear, set, count)
{
	r = AGAIN;
	do
	:: atomic {
		r == AGAIN ->
		cas(w, v, (WITHOUT_OWNER(v) & ~((clear) | WAITED)) | (set));
		if
		:: before == v -> r = OK; gave(w, clear, set)
		:: else ->
			assert(before >> 4 == v >> 4); /* -EPERM: it was taken from its owner */
			v = before
		fi
	   }
	:: r == OK -> break
	DIES
	od;
	if
	:: atomic { v & WAITED -> v = (WITHOUT_OWNER(v) & ~((clear) | WAITED)) | (set) };
#ifndef MUTANT_GIVE_WITHOUT_WAKE
		if
		:: (count) == EVERYBODY -> futex_wake_all(w)
		:: (count) != EVERYBODY -> futex_wake(w, count)
		fi
#endif
	:: atomic { !(v & WAITED) -> v = (WITHOUT_OWNER(v) & ~((clear) | WAITED)) | (set) }
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
			assert(before >> 4 == v >> 4);
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
		OWNER(value) == owner ->
		cas(w, value, WORD(TOKEN(value), 0) | (died_flags));
		if
		:: before == value -> any = true; took_back(w); value = 0
		:: else -> value = before
		fi
	   }
#ifdef MUTANT_SWEEP_ONCE
		; break
#endif
	:: OWNER(value) != owner -> break
	od
}
