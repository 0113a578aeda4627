/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/space_*.c: one span of two blocks, an index of one word, and members that take blocks, publish them,
 * retire what they replaced, end between any two steps, and recover what another one left behind that has ended. Each
 * operation of a batch is one step. The sweep takes a session out of its member word in the step in which it ends,
 * since nothing of it lands any more. What pages are made of spans, and spans dissolved, is not in it.
 */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ROUNDS_OF_FIRST
#define ROUNDS_OF_FIRST 2
#endif
#define MEMBERS 2
#define BLOCKS  2
#define NONE    255
#define MANY    7 /* a count does not go on from here */

byte owner[MEMBERS]; /* of the member words */
bool died[MEMBERS];
byte lease, count = BLOCKS; /* of the span: the member + 1 */
bool used[BLOCKS];
byte use[BLOCKS], uses;
byte slot = NONE, slot_use; /* the index: a block, and which use of it */
byte named[MEMBERS * 2] = NONE, named_use[MEMBERS * 2]; /* the intents: what is taken, what is outgoing */
byte crashes = CRASHES, done;
byte taken_by[BLOCKS]; /* by a session that is alive and has not published it */

#define REFERS(b, u) (slot == (b) && slot_use == (u))

/* The step may be the one that is not executed any more. */
#define STEP(statement)                                                                \
	if                                                                             \
	:: atomic { crashes > 0 -> crashes--; end_here(); goto gone }                  \
	:: atomic { statement }                                                        \
	fi

inline end_here()
{
	owner[m] = 0;
	died[m] = true;
	if
	:: taken != NONE && taken_by[taken] == me -> taken_by[taken] = 0
	:: else
	fi
}

inline add_count(n)
{
	count = (count + (n) > MANY -> MANY : count + (n))
}

/* The CAS used -> free of that use. */
inline free_block(b, u)
{
	if
#ifdef MUTANT_FREE_ANY_USE
	:: used[b] ->
#else
	:: used[b] && use[b] == u ->
#endif
		assert(!REFERS(b, use[b]));
		assert(taken_by[b] == 0 || taken_by[b] == me);
		used[b] = false;
		taken_by[b] = 0;
		freed = true
	:: else -> freed = false
	fi
}

/* space_members.c: recover_block */
inline recover_block(i)
{
	b = named[i]; u = named_use[i];
	if
	:: b != NONE ->
		STEP(is_used = used[b] && use[b] == u; is_freed = !used[b] && use[b] == u);
		if
		:: is_used -> STEP(is_used = REFERS(b, u); is_freed = !is_used)
		:: else
		fi;
#ifdef MUTANT_RECOVER_WITHOUT_LOOK
		is_freed = true;
#endif
		if
		:: is_freed ->
			STEP(free_block(b, u));
#ifndef MUTANT_RECOVERY_DOES_NOT_COUNT
			STEP(add_count(1))
#endif
		:: else
		fi
	:: else
	fi
}

/* space_members.c: recover_word */
inline recover()
{
#ifndef MUTANT_NO_INTENTS
	recover_block(2 * m);
	recover_block(2 * m + 1);
#endif
	if
	:: lease == m + 1 ->
		STEP(add_count(BLOCKS));
		STEP(lease = 0)
	:: else
	fi;
	STEP(died[m] = false)
}

/* space_blocks.c: prepare_due, settle_due */
inline retire()
{
	if
	:: due != NONE ->
#ifdef MUTANT_COUNT_BEFORE_FREE
		is_mine = lease == m + 1;
		STEP(if :: !is_mine -> add_count(1) :: else fi);
		STEP(free_block(due, due_use));
#else
		STEP(free_block(due, due_use));
		is_mine = lease == m + 1;
		if
		:: is_mine && freed -> known[due] = true
		:: !is_mine -> STEP(add_count(1))
		:: else
		fi;
#endif
		due = NONE
	:: else
	fi
}

/* space_spans.c: lease, give_or_look */
inline lease_span()
{
	if
	:: lease == 0 && count > 0 ->
		STEP(if
		     :: lease == 0 && count > 0 -> lease = m + 1;
#ifndef MUTANT_COUNT_OFF_AFTER_THE_LOADS
			count = 0
#endif
		     :: else fi);
		if
		:: lease == m + 1 ->
			STEP(known[0] = !used[0]);
			STEP(known[1] = !used[1]);
#ifdef MUTANT_COUNT_OFF_AFTER_THE_LOADS
			STEP(count = 0)
#endif
		:: else
		fi
	:: else
	fi
}

proctype client(byte me)
{
	byte m, b, u, old, old_use, taken = NONE, taken_use, due = NONE, due_use;
	byte rounds = (me == 1 -> ROUNDS_OF_FIRST : 1);
	bool known[BLOCKS], is_used, is_freed, freed, is_mine;

	/* Joining: a word that has DIED rather than another. */
	atomic {
		if
		:: owner[0] == 0 && died[0] -> m = 0
		:: owner[1] == 0 && died[1] -> m = 1
		:: else ->
			if
			:: owner[0] == 0 -> m = 0
			:: owner[1] == 0 -> m = 1
			fi
		fi;
		owner[m] = me
	}
	if
	:: died[m] -> recover()
	:: else
	fi;
	do
	:: rounds > 0 ->
		rounds--;
		if
		:: lease != m + 1 -> lease_span()
		:: else
		fi;
		/* A block that is known to be free, or none: then what is there is removed. */
		taken = NONE;
		if
		:: lease == m + 1 && known[0] -> taken = 0
		:: lease == m + 1 && known[1] -> taken = 1
		:: true
		fi;
		if
		:: taken != NONE -> atomic { known[taken] = false; uses++; taken_use = uses; taken_by[taken] = me }
		:: else
		fi;
		STEP(old = slot; old_use = slot_use);
#ifndef MUTANT_RETIRE_BEHIND_THE_INTENTS
		retire();
#endif
		STEP(named[2 * m] = taken; named_use[2 * m] = taken_use;
		     named[2 * m + 1] = old; named_use[2 * m + 1] = old_use);
#ifdef MUTANT_RETIRE_BEHIND_THE_INTENTS
		retire();
#endif
		if
		:: taken != NONE -> STEP(assert(!used[taken]); used[taken] = true; use[taken] = taken_use)
		:: else
		fi;
		STEP(if
		     :: slot == old && (slot == NONE || slot_use == old_use) ->
			slot = taken; slot_use = taken_use;
			if
			:: taken != NONE -> taken_by[taken] = 0
			:: else
			fi;
			due = old; due_use = old_use
		     :: else -> due = taken; due_use = taken_use
		     fi)
	:: else -> break
	od;
	/* Closing. */
	retire();
	if
	:: lease == m + 1 -> STEP(add_count(known[0] + known[1]); lease = 0)
	:: else
	fi;
	STEP(owner[m] = 0);
gone:
	done++
}

/* Whoever comes last finds everything in order. */
proctype last(byte me)
{
	byte m, b, u, taken = NONE;
	bool is_used, is_freed, freed;

	do
	:: died[0] -> m = 0; recover()
	:: died[1] -> m = 1; recover()
	:: else -> break
	od;
	assert(lease == 0);
	b = 0;
	do
	:: b < BLOCKS ->
		assert(used[b] == REFERS(b, use[b]));
		b++
	:: else -> break
	od;
	assert(count >= !used[0] + !used[1]);
gone:
	skip
}

/* Two at a time, and a third one when one of them has gone. */
init {
	atomic { run client(1); run client(2) };
	done >= 1;
	run client(3);
	done >= 3;
	atomic { crashes = 0; run last(4) }
}
