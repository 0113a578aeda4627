/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the models share: words, clients that may die between any two of their steps, and storaged's remote futex.
 * A model defines WORDS, and STOP where somebody takes owned words, includes this, defines sweep_object(), includes
 * storaged.pml, and defines how its clients go.
 *
 * - A one-sided atomic is one step. One that is on its way when its client dies either lands before storaged sweeps
 *   (that is what fencing is for) or never: the client did its step before it died, or did not.
 * - WAIT is one step of storaged's one thread: park, then compare (lib/core/waitlist.c: waitlist_wait). A client does nothing
 *   between sending it and that step, so that here the client makes it, when storaged is free and the client's
 *   WAKEs from before are through: a connection keeps its order.
 * - WAKE lies in `wakes` until storaged comes to it, while the client goes on. futex_wake_all() waits for the answer: it
 *   is one step as WAIT is.
 * - CANCEL, at a deadline, is a step like WAIT. A deadline may be over whenever it is looked at.
 * - A dead client's session ends some time later: until then it stays parked, can be woken in vain, and its WAKEs
 *   may yet be taken. Then `fence` (storaged/session/session.c: session_end, and all data connections gone; what was in the
 *   connection is lost) and, later still, `sweep`, one word after the other while the clients go on.
 * - Abstracted: sessions begin once, so no owner number is used twice (storaged gives one out again only after its
 *   sweep); nothing is deleted; no operation fails but by the death of who issued it; there is one object; READs as hints
 *   are atomic, and decide nothing; spinning is: try again at any moment. Tokens, rounds and events are small
 *   numbers that do not come round in so few steps; in C they have 32 to 64 bits and do not either.
 */
#ifndef CLIENTS
#define CLIENTS 3
#endif
#ifndef ROUNDS /* that each client makes, and the first one */
#define ROUNDS 1
#endif
#ifndef ROUNDS_OF_FIRST
#define ROUNDS_OF_FIRST 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define EVERYBODY 255
#define NOTHING   255 /* no word */

/* Results. */
#define OK             0
#define AGAIN          1
#define TIMEDOUT       2
#define OWNERDEAD      3
#define NOTRECOVERABLE 4
#define ALREADY        5
#define GRANT          6 /* to be taken up */

/* Owned words: proto/layout.h */
#define WAITED 1
#define DIED   2
#define LOST   4
#define DONE   8
#define GRANTED 16
#define FLAGS  31

#define IDENTITY(word)      ((word) >> 5) /* all but the flags */
#define WORD(token, owner)  ((token) << 8 | (owner) << 5)
#define TOKEN(word)         ((word) >> 8)
#define OWNER(word)         ((word) >> 5 & 7)
#define WITHOUT_OWNER(word) ((word) & ~(7 << 5))
#ifndef TOKENS
#define TOKENS 127 /* they do not come round */
#endif
#define TAKEN(word)         (WORD((TOKEN(word) + 1) % TOKENS, me) | ((word) & FLAGS))
#define GIVEN_BACK(word)    (WITHOUT_OWNER(word) & ~(WAITED | GRANTED))

short mem[WORDS];

bool dead[CLIENTS + 1];   /* makes no step any more */
bool fenced[CLIENTS + 1]; /* and nothing of it can land; storaged knows */
bool ended[CLIENTS + 1];  /* and was swept */
byte crashes; /* that are left */
#ifndef REVOKES /* grants that are taken back from somebody who is only slow */
#define REVOKES 0
#endif
byte revokes;
#ifdef FREEZE /* one client makes no step any more, and its session goes on: while it is parked, or before it takes up */
byte freezes = 1;
bool frozen[CLIENTS + 1];
#define FREEZES :: atomic { freezes > 0 && (r == OK || r == GRANT) -> freezes--; frozen[me] = true }; goto end_frozen
#define FREEZES_AT_IT :: atomic { freezes > 0 && r == GRANT -> freezes--; frozen[me] = true }; goto end_frozen
#define IS_FROZEN(i) frozen[i]
#else
#define FREEZES
#define FREEZES_AT_IT
#define IS_FROZEN(i) false
#endif

#define ROUNDS_OF(me) (me == 1 -> ROUNDS_OF_FIRST : ROUNDS)

/* Clients have deadlines from this one on; one who has none must not be left alone. */
#ifndef IMPATIENT_FROM
#define IMPATIENT_FROM CLIENTS
#endif
#ifndef IMPATIENT
#define IMPATIENT(me) (me >= IMPATIENT_FROM)
#endif
#ifndef MORTAL
#define MORTAL(me) true
#endif

/* Between any two steps; a client has the label `gone` at its end. */
#ifdef MUTANT_NO_FENCE
#define DIES :: d_step { false -> skip }
#else
#define DIES :: atomic { crashes > 0 && MORTAL(me) -> crashes--; dead[me] = true }; goto gone
#endif

/* ---- one-sided atomics ---- */

/* lib/objects/word.h: word_cas. To be used in an atomic step. `before` is the caller's. */
inline cas(w, old, new)
{
	before = mem[w];
	if
	:: before == (old) -> mem[w] = (new)
	:: else
	fi
}

/* ---- lib/core/waitlist.c, storaged/session/futex.c ---- */

/* Who is parked, the longest parked first; on which word; while it has which value. */
byte queue[CLIENTS];
byte queue_length;
byte parked_on[CLIENTS + 1] = NOTHING;
short expected[CLIENTS + 1]; /* or: */
#define UNTIL_GIVEN_BACK -1 /* while it is an owned word that has an owner */
#define UNTIL_TAKEN      -2 /* the same, and then it is his */
bool woken[CLIENTS + 1];                         /* a reply to WAIT is there */
#ifdef STOP
short granted[CLIENTS + 1];                      /* in it: the word, which was taken for him */
byte pausing = NOTHING;                          /* the word that is looked at later: waitlist.c: is_pausing, whenever it likes */
#endif
chan wakes[CLIENTS + 1] = [2] of { byte, byte }; /* WAKEs on their way: word, count */
bool sweeping;                                   /* storaged's thread is at it */

#define IS_FREE_FOR(me) (!sweeping && empty(wakes[me]))

/* Takes out who is at @place. Callers of what follows have variables n, who and place; all of it is in one step. */
inline unpark(place)
{
	parked_on[queue[place]] = NOTHING;
	expected[queue[place]] = 0;
	queue_length--;
	who = place;
	do
	:: who < queue_length -> queue[who] = queue[who + 1]; who++
	:: else -> break
	od;
	queue[who] = 0;
	who = 0
}

#if CLIENTS >= 4
#define SOMEBODY_ON(w) (parked_on[1] == w || parked_on[2] == w || parked_on[3] == w || parked_on[4] == w)
#elif CLIENTS == 3
#define SOMEBODY_ON(w) (parked_on[1] == w || parked_on[2] == w || parked_on[3] == w)
#else
#define SOMEBODY_ON(w) (parked_on[1] == w || parked_on[2] == w)
#endif
#ifdef MUTANT_GRANT_WITHOUT_FLAG
#define OTHERS(w) 0
#else
#define OTHERS(w) (SOMEBODY_ON(w) -> WAITED : 0)
#endif
#ifdef MUTANT_GRANT_WHAT_IS_OWNED
#define IS_OWNED(w) false
#else
#define IS_OWNED(w) OWNER(mem[w])
#endif

/* park.c: decide, PARK_TAKEN, for one who is not parked any more. */
inline take_for(w, i)
{
	mem[w] = WORD((TOKEN(mem[w]) + 1) % TOKENS, i) | (mem[w] & FLAGS & ~WAITED) | OTHERS(w) | GRANTED;
	granted[i] = mem[w];
	woken[i] = true
}

#ifdef MUTANT_PAUSE_WITHOUT_TIMER
#define PAUSE(w)
#else
#define PAUSE(w) pausing = w;
#endif

/* waitlist.c: waitlist_wake; may_pause: its caller is not the end of a pause. */
inline wake(w, count)
{
	n = count;
	place = 0;
	do
	:: n > 0 && place < queue_length ->
		if
		:: parked_on[queue[place]] != w -> place++
#ifdef STOP
		:: parked_on[queue[place]] == w && expected[queue[place]] == UNTIL_TAKEN && !looked && may_pause ->
			PAUSE(w)
			n = 0
		:: parked_on[queue[place]] == w && expected[queue[place]] == UNTIL_TAKEN && !looked && IS_OWNED(w) ->
#ifndef MUTANT_STAY_WITHOUT_FLAG
			mem[w] = mem[w] | WAITED;
#endif
			n = 0
		:: parked_on[queue[place]] == w && expected[queue[place]] == UNTIL_TAKEN && !looked && !IS_OWNED(w) && !(mem[w] & (STOP)) ->
			n = queue[place];
			unpark(place);
			if
			:: take_for(w, n)
#ifndef FREEZE /* one who is frozen would leave it to nobody */
			:: woken[n] = true /* he is to try for it, as behind one who did not want to take it: proto/WIRE.md, WAIT */
#endif
			fi;
			n = 0
#endif
#if defined(SHARE) && !defined(MUTANT_WAKE_WITHOUT_SHARES) /* park.c: park_is_woken */
		:: parked_on[queue[place]] == w && n != EVERYBODY && SHARE(queue[place]) > n -> place++
#ifdef PASSES_MAX /* once in as many it is woken all the same, and takes nothing from the others */
		:: parked_on[queue[place]] == w && n != EVERYBODY && SHARE(queue[place]) > n ->
			woken[queue[place]] = true;
			unpark(place)
#endif
		:: else ->
			n = (n == EVERYBODY -> n : n - SHARE(queue[place]));
#else
		:: else ->
			n = (n == EVERYBODY -> n : n - 1);
#endif
#ifdef STOP
			looked = looked || expected[queue[place]] != UNTIL_TAKEN;
			n = (looked -> n : EVERYBODY); /* nobody is to take it any more */
#endif
			woken[queue[place]] = true;
			unpark(place)
		fi
	:: else -> break
	od;
#ifdef STOP
	looked = false;
#endif
	n = 0;
	place = 0
}

#ifdef STOP
#define WAKE(w, count) may_pause = true; wake(w, count); may_pause = false
#else
#define WAKE(w, count) wake(w, count)
#endif

/* waitlist.c: waitlist_wake_object */
inline wake_object()
{
#ifdef MUTANT_SWEEP_WITHOUT_WAKE
	skip
#else
	do
	:: queue_length > 0 ->
		woken[queue[0]] = true;
		unpark(0)
	:: else -> break
	od
#endif
}

/* park.c: park_is_over; that the client that is parked has nothing to wait for */
#ifdef MUTANT_RECHECK_OWNERS_ALONE
#define HAS_FLAG(word) true
#else
#define HAS_FLAG(word) ((word) & WAITED)
#endif
#define IS_OVER(i) \
	(expected[i] < 0 -> OWNER(mem[parked_on[i]]) == 0 || !HAS_FLAG(mem[parked_on[i]]) : \
	 mem[parked_on[i]] != expected[i])

/* waitlist.c: waitlist_recheck */
inline recheck()
{
#ifdef MUTANT_NO_RECHECK
	skip
#else
	place = 0;
	do
	:: place < queue_length ->
		if
		:: IS_OVER(queue[place]) ->
			woken[queue[place]] = true;
			unpark(place)
		:: else -> place++
		fi
	:: else -> break
	od;
	place = 0
#endif
}

/* futex.c: futex_forget; waitlist.c: waitlist_cancel: whoever it is, he is not parked any more. */
inline forget(i)
{
	place = 0;
	do
	:: place < queue_length && queue[place] != i -> place++
	:: place < queue_length && queue[place] == i -> unpark(place); break
	:: else -> break
	od;
	place = 0
}

/* waitlist.c: waitlist_wait, after it was parked; park.c: park_look. `ok`: there is something to wait for. */
#ifdef MUTANT_WAIT_WITHOUT_COMPARE
#define ELSE_CHANGED(changed)
#else
#define ELSE_CHANGED(changed) :: changed -> r = AGAIN
#endif
inline park(w, value)
{
	parked_on[me] = w;
	expected[me] = value;
	queue[queue_length] = me;
	queue_length++;
	r = OK
}

/* Parked or not: the reply to WAIT, or CANCEL. */
#ifdef MUTANT_BELIEVE_THE_CANCEL /* and not the reply to WAIT, which came before */
#define MAY_CANCEL true
#else
#define MAY_CANCEL !woken[me]
#endif
#define CANCEL \
	:: atomic { \
		r == OK && IMPATIENT(me) && MAY_CANCEL && IS_FREE_FOR(me) -> \
		forget(me); \
		r = TIMEDOUT \
	   }
inline await_reply()
{
	if
	:: atomic { r == AGAIN -> r = OK }
	:: atomic { r == OK && woken[me] -> woken[me] = false }
	CANCEL
	DIES
	fi
}

#ifdef STOP
/* owned.c: take_from, what it makes of the reply to WAIT */
#ifdef MUTANT_WOKEN_AND_NOT_WAITED
#define NOTE_WOKEN
#else
#define NOTE_WOKEN waited = waited || granted[me] == 0;
#endif
#define READ_REPLY(v) \
	woken[me] = false; \
	v = (granted[me] -> granted[me] : GIVEN_BACK(v)); \
	r = (granted[me] == 0 -> AGAIN : GRANT); \
	NOTE_WOKEN \
	granted[me] = 0
/* waitlist.c: waitlist_cancel of who waits for his word */
#define CANCEL_OR_TAKE(w, v) \
	:: atomic { \
		r == OK && IMPATIENT(me) && MAY_CANCEL && IS_FREE_FOR(me) -> \
		forget(me); \
		if \
		:: !OWNER(mem[w]) && !(mem[w] & (STOP)) -> take_for(w, me); READ_REPLY(v) \
		:: else -> r = TIMEDOUT \
		fi \
	   }
#endif

/* futex_wait of lib/objects/futex.c; waitlist_wait, waitlist_cancel of lib/core/waitlist.c. r is OK or TIMEDOUT. */
inline futex_wait(w, value)
{
	if
	:: IMPATIENT(me) -> r = TIMEDOUT /* before it is sent */
	:: atomic {
		IS_FREE_FOR(me) ->
		if
		ELSE_CHANGED(mem[w] != (value))
		:: else -> park(w, value)
		fi
	   };
	   await_reply()
	DIES
	fi
}

#ifdef MUTANT_PARK_WITHOUT_FLAG
#define FLAGGED(w)
#else
#define FLAGGED(w) mem[w] = mem[w] | WAITED;
#endif

/* futex_wait_owned. r is OK or TIMEDOUT. */
inline futex_wait_owned(w)
{
	if
	:: IMPATIENT(me) -> r = TIMEDOUT
	:: atomic {
		IS_FREE_FOR(me) ->
		if
		ELSE_CHANGED(OWNER(mem[w]) == 0)
		:: else -> FLAGGED(w) park(w, UNTIL_GIVEN_BACK)
		fi
	   };
	   await_reply()
	DIES
	fi
}

#ifdef STOP
/* owned.c: take_up. took(w, i): what a model notes in the step in which client i takes the word. */
inline take_up(w, v)
{
	do
	:: atomic {
		r == GRANT ->
		cas(w, v, v & ~GRANTED);
		if
#ifdef MUTANT_TAKE_UP_WITHOUT_LOOK
		:: true ->
#else
		:: before == v ->
#endif
			v = v & ~GRANTED;
			r = (v & DIED -> OWNERDEAD : OK);
			took(w, me)
#ifndef MUTANT_TAKE_UP_WITHOUT_LOOK
		:: before != v && IDENTITY(before) == IDENTITY(v) && (before & GRANTED) -> v = before
		:: else -> v = before; r = AGAIN
#endif
		fi
	   }
	FREEZES_AT_IT
	:: r != GRANT -> break
	DIES
	od
}

/* futex_take, with what take_from makes of it. r is OK, OWNERDEAD, AGAIN or TIMEDOUT. */
inline futex_take(w, v)
{
	if
	:: IMPATIENT(me) -> r = TIMEDOUT
	:: atomic {
		IS_FREE_FOR(me) ->
		if
		:: true -> PAUSE(w) park(w, UNTIL_TAKEN)
		:: OWNER(mem[w]) -> FLAGGED(w) park(w, UNTIL_TAKEN)
#ifdef MUTANT_WAIT_WITHOUT_COMPARE
		:: !OWNER(mem[w]) -> park(w, UNTIL_TAKEN)
#else
		:: !OWNER(mem[w]) && (mem[w] & (STOP)) -> r = AGAIN
		:: !OWNER(mem[w]) && !(mem[w] & (STOP)) -> take_for(w, me); r = OK
#endif
		fi
	   };
	   /* owned.c: take_from */
	   if
	   :: atomic { r == AGAIN -> v = GIVEN_BACK(v) }
	   :: atomic { r == OK && woken[me] -> READ_REPLY(v) }
	   CANCEL_OR_TAKE(w, v)
	   FREEZES
	   DIES
	   fi;
	   take_up(w, v)
	DIES
	fi
}
#endif

/* lib/objects/futex.c: futex_wake: does not wait */
inline futex_wake(w, count)
{
	if
	:: wakes[me] ! w, count
	DIES
	fi
}

/* lib/objects/futex.c: futex_wake_all */
inline futex_wake_all(w)
{
	if
	:: atomic { IS_FREE_FOR(me) -> WAKE(w, EVERYBODY) }
	DIES
	fi
}
