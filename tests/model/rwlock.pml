/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/rwlock.c: readers in slots, a writer that drains them. The first client writes, the second reads, the
 * third does either and has a deadline.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#define WRITER  0
#define NO_SPIN
#define TOKENS  4 /* of slots they come round: readers try again and again */
#define SLOT(i) (1 + (i))
#define WORDS   (1 + SLOTS)
#ifdef KEEPS /* the first client reads for ever: the second wants to write in vain, until its deadline; the third reads */
#define IMPATIENT(me) (me == 2)
#define MAY_WRITE(me) (me == 2)
#define MAY_READ(me)  (me != 2)
#else
#define MAY_WRITE(me) (me != 2)
#define MAY_READ(me)  (me != 1)
#endif
#define STOP LOST
#include "futex.pml"
#include "owned.pml"

/* ---- what must hold ---- */

byte writer;               /* has the word, and waits for readers yet or not */
bool writing;              /* has seen the last of them leave */
bool in_slot[CLIENTS + 1];
bool reading[CLIENTS + 1]; /* and saw no writer */
bool is_owed;              /* a writer died, and nobody has said that it is consistent */
bool is_lost;

#define ANY_READER (reading[1] || reading[2] || reading[3])

inline took(w, i) /* the writer's word */
{
	assert(writer == 0 && !is_lost);
	assert(((mem[w] & DIED) != 0) == is_owed);
	writer = i
}

inline gave(w, clear, set)
{
	if
	:: w == WRITER ->
		assert(writer == me);
		writer = 0;
		writing = false;
		is_lost = ((set) & LOST) != 0
	:: else ->
		assert(in_slot[me]);
		in_slot[me] = false;
		reading[me] = false
	fi
}

inline cleared(w)
{
	assert(writer == me && is_owed);
	is_owed = false
}

inline took_back(w)
{
	if
	:: w == WRITER ->
		assert(writer == owner);
		writer = 0;
		writing = false;
		is_owed = true
	:: else ->
		assert(in_slot[owner]);
		in_slot[owner] = false;
		reading[owner] = false
	fi
}

/* ---- lib/core/sweep.c ---- */

inline sweep_object()
{
	let_go(WRITER, DIED);
	let_go(SLOT(0), 0);
#if SLOTS > 1
	let_go(SLOT(1), 0);
#endif
	assert(writer != owner && !in_slot[owner])
}

inline at_the_end()
{
	assert(writer == 0 && OWNER(mem[WRITER]) == 0)
}

/* ---- the client ---- */

/* rwlock.c: try_slot: two atomics in one round trip, one after the other. r: OK, AGAIN; seen: the writer's word */
inline try_slot()
{
#ifdef MUTANT_READER_LOOKS_FIRST
	if
	:: word = mem[WRITER]
	DIES
	fi;
#endif
	if
	:: atomic {
		true ->
		slot_word = WORD(TOKEN(slot_word), 0);
		cas(SLOT(slot), slot_word, TAKEN(slot_word));
		if
		:: before == slot_word ->
			slot_word = TAKEN(slot_word);
			in_slot[me] = true;
			r = OK
		:: else -> slot_word = before; r = AGAIN
		fi
	   }
	DIES
	fi;
	if
	:: atomic {
		r == OK ->
#ifndef MUTANT_READER_LOOKS_FIRST
		word = mem[WRITER];
#endif
		if
		:: OWNER(word) == 0 && !(word & LOST) ->
			assert(!writing);
#ifndef MUTANT_READER_LOOKS_FIRST
			assert(((word & DIED) != 0) == is_owed);
#endif
			reading[me] = true
		:: else
		fi
	   }
	:: r != OK
	DIES
	fi
}

/* rwlock.c: take_slot. r: OK, AGAIN (slot_word has an owner). */
inline take_slot()
{
	tries = 0;
	do
	:: true ->
		try_slot();
		if
		:: r == OK -> break
		:: r != OK && OWNER(slot_word) == 0 /* free, with another token */
		:: atomic { r != OK && OWNER(slot_word) != 0 && tries + 1 == SLOTS -> break }
		:: atomic {
			r != OK && OWNER(slot_word) != 0 && tries + 1 < SLOTS ->
			tries++;
			slot = (slot + 1) % SLOTS;
			slot_word = 0
		   }
		fi
	od;
	tries = 0
}

/* rwlock.c: wait_for_reader, of the slot that was `seen` */
inline wait_for_reader(i)
{
	do
	:: r == OK && OWNER(seen) ->
		owned_wait(SLOT(i), seen);
		if
		:: r == OK ->
			if
			:: seen = mem[SLOT(i)]
			DIES
			fi
		:: r != OK
		fi
	:: r != OK || !OWNER(seen) -> break
	od
}

/* rwlock.c: drain */
inline drain()
{
	atomic { r = OK; tries = 0 };
	do
	:: atomic {
		tries < SLOTS ->
		looks[tries] = mem[SLOT(tries)];
		tries++
	   }
	:: atomic { tries == SLOTS -> tries = 0; break }
	DIES
	od;
	do
	:: atomic { r == OK && tries < SLOTS -> seen = looks[tries]; looks[tries] = 0 };
		wait_for_reader(tries);
		atomic { seen = 0; tries++ }
	:: atomic {
		r == OK && tries == SLOTS ->
		assert(!ANY_READER);
		writing = true;
		break
	   }
	:: r != OK -> break
	od;
	atomic { tries = 0; looks[0] = 0; looks[SLOTS - 1] = 0 }
}

proctype client(byte me)
{
	short word, slot_word, seen;
	short looks[SLOTS];
	byte slot, tries, round;
	OWNED_VARIABLES;

	slot = me % SLOTS;
	do
	:: round < ROUNDS_OF(me) && MAY_READ(me) ->
		round++;
		/* lock_for_reading */
		do
		:: true ->
			take_slot();
			if
			:: r == AGAIN ->
				owned_wait(SLOT(slot), slot_word);
				if
				:: r == OK
				:: r == TIMEDOUT -> goto gone
				fi
			:: r == OK && reading[me] -> break
			:: r == OK && !reading[me] ->
				owned_give(SLOT(slot), slot_word, 0, 0, EVERYBODY); /* leave_slot */
				if
				:: word & LOST -> goto gone
				:: !(word & LOST) -> owned_wait(WRITER, word)
				fi;
				if
				:: r == OK
				:: r == TIMEDOUT -> goto gone
				fi
			fi
		od;
#ifdef KEEPS
		if
		:: me == 1 -> goto gone
		:: me != 1
		fi;
#endif
		owned_give(SLOT(slot), slot_word, 0, 0, EVERYBODY); /* unlock: leave_slot */
		word = 0
	:: round < ROUNDS_OF(me) && MAY_WRITE(me) ->
		round++;
		/* lock_for_writing */
#ifdef MUTANT_WRITER_LOOKS_FIRST
		drain();
		writing = false;
#endif
		owned_take(WRITER, word);
		if
		:: r == OK
		:: r == OWNERDEAD
		:: r == ALREADY -> assert(is_lost); goto gone
		:: r == TIMEDOUT -> goto gone
		fi;
#ifdef MUTANT_WRITER_LOOKS_FIRST
		atomic { assert(!ANY_READER); r = OK };
#else
		drain();
#endif
		if
#ifdef MUTANT_WRITER_LEAVES_IN_SILENCE
		:: r == TIMEDOUT -> atomic { assert(word >> 4 == mem[WRITER] >> 4); mem[WRITER] = GIVEN_BACK(mem[WRITER]); gave(WRITER, 0, 0) }; goto gone
#else
		:: r == TIMEDOUT -> owned_give(WRITER, word, 0, 0, EVERYBODY); goto gone
#endif
		:: r == OK && (word & DIED) -> owned_clear(WRITER, word, DIED)
		:: r == OK
		fi;
		/* unlock */
		if
		:: word & DIED -> owned_give(WRITER, word, DIED, LOST, EVERYBODY)
		:: !(word & DIED) -> owned_give(WRITER, word, DIED, 0, EVERYBODY)
		fi
	:: round == ROUNDS_OF(me) -> break
	od;
gone:	atomic {
		word = 0; slot_word = 0; seen = 0; looks[0] = 0; looks[SLOTS - 1] = 0; before = 0;
		slot = 0; tries = 0; round = 0; r = 0
	}
}

#include "storaged.pml"
