/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/condition.c with its mutex: the first client brings an item and signals, twice, each time while it has
 * the mutex; the others wait for one and take it. Those may die.
 */
#define MUTEX 0
#define EVENT 1
#define WORDS 3
#define NO_SPIN
#define ENLISTED  EVENT
#define WEIGHT(me) 1
#define MORTAL(me) (me != 1)
#define IMPATIENT(me) (me >= IMPATIENT_FROM && on_event) /* it locks again however long that takes */
#define STOP LOST
#include "futex.pml"
#include "owned.pml"
#include "event.pml"

byte holder; /* of the mutex */
byte items;

inline took(w, i)
{
	assert(holder == 0);
	holder = i
}

inline gave(w, clear, set)
{
	assert(holder == me);
	holder = 0
}

inline cleared(w)
{
	skip
}

inline took_back(w)
{
	assert(holder == owner);
	holder = 0
}

inline raised(e)
{
	items++
}

inline at_the_end()
{
	assert(holder == 0)
}

inline sweep_object()
{
	let_go(MUTEX, DIED);
	assert(holder != owner)
}

/* mutex.c; who gets it says at once that it is consistent */
inline lock()
{
	owned_take(MUTEX, word);
	if
	:: r == OWNERDEAD -> owned_clear(MUTEX, word, DIED)
	:: r == OK
	fi
}

inline unlock()
{
	owned_give(MUTEX, word, DIED, 0, 1)
}

/* condition.c: notify */
inline notify()
{
	event_raise(EVENT, waiters);
	if
	:: waiters == 0
	:: atomic { waiters > 0 -> waiters = 0 };
#ifdef BROADCAST
		futex_wake_all(EVENT)
#else
		futex_wake(EVENT, 1)
#endif
	fi
}

/* condition.c: wait_without */
inline wait_without()
{
#ifdef MUTANT_ENLIST_AFTER_UNLOCK
	unlock();
	event_enlist(EVENT, 1, seen);
#else
	event_enlist(EVENT, 1, seen);
	unlock();
#endif
	on_event = true;
	event_wait(EVENT, seen);
	on_event = false;
	late = r == TIMEDOUT;
	event_leave(EVENT, 1);
	seen = 0 /* and locks again: the next time round */
}

proctype client(byte me)
{
	short word, seen, waiters;
	byte round;
	bool late, on_event;
	OWNED_VARIABLES;

	do
	:: me == 1 && round < 2 ->
		round++;
		lock();
		notify();
		unlock()
	:: me != 1 && round < 1 ->
		lock();
		if
		:: atomic { items > 0 -> items--; round++ }; unlock()
		:: atomic { items == 0 && late -> round++ }; unlock()
		:: items == 0 && !late -> wait_without()
		fi
	:: (me == 1 && round == 2) || (me != 1 && round == 1) -> break
	od;
gone:	atomic { word = 0; seen = 0; waiters = 0; before = 0; r = 0; round = 0; late = false; on_event = false }
}

#include "storaged.pml"
