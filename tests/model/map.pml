/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/map_change.c, map_look.c and map_split.c: one key, the two slots that it may be in, and the same slots of
 * the segment that it moves to in a split; entries lie in blocks, which are taken again when they were freed. Each
 * operation of a batch is one step, a block is written and read in two. A client may stand still before any step for as
 * long as it likes. One may end there, and its blocks come back at once: space.pml has how. Each writer changes the
 * map once, so an entry says by whom it is: `now` is whose is there, 0: none. Numbers are of their client, so none is
 * drawn twice.
 */
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef PUTS
#define PUTS 2
#endif
#ifndef REMOVES
#define REMOVES 0
#endif
#ifndef SPLITS
#define SPLITS 0
#endif
#ifndef ATTEMPTS /* of a writer; who needs more gives up */
#define ATTEMPTS 2
#endif
#ifndef BLOCKS
#define BLOCKS (PUTS + 1)
#endif
#define FIRST   7 /* who has put the entry that is there at the beginning */
#define NONE    15
#define CLIENTS (PUTS + REMOVES + SPLITS)

#define EMPTY    0
#define PROV     1
#define THERE    2
#define LEAVING  3
#define ARRIVING 4

/* slots 0 and 1, and in the new segment 2 and 3: the state, a number, and the block */
byte kind[4], number[4], block[4] = NONE;
byte word; /* of the old segment: 0 stable, 1 splitting, 2 split */
byte front[BLOCKS], back[BLOCKS]; /* the halves of an entry: its number */
byte owner[BLOCKS];               /* who took the block; NONE: published */
byte now, done, crashes = CRASHES;
byte may_be; /* a bit for each whose entry was there since the reader began */
#ifdef PASSES
byte news;   /* a bit for each client in whose call, so far, another one has put the key */
#ifdef MERGES
#define IS_PUT(who) ((who) != 2) /* the second writer's entry depends on what was there */
#else
#define IS_PUT(who) true
#endif
#endif

#define BY(n)            ((n) >> 4)
#define IS(s, k, n)      (kind[s] == (k) && number[s] == (n))
#define REFERS(s, b, n)  (kind[s] >= THERE && block[s] == (b) && number[s] == (n))
#define ANY_REFERS(b, n) (REFERS(0, b, n) || REFERS(1, b, n) || REFERS(2, b, n) || REFERS(3, b, n))
#define DRAW             drawn++; fresh = me * 16 + drawn

/* The step may be the one that is not executed any more. */
#define STEP(statement)                                                 \
	if                                                              \
	:: atomic { crashes > 0 -> crashes--; recover(); goto gone }    \
	:: atomic { statement }                                         \
	fi

/* Used -> free, of that use. */
inline free_block(B, N)
{
	if
	:: owner[B] == NONE && front[B] == N -> owner[B] = 0
	:: else
	fi
}

/* lib/objects/space_members.c, and map_split.c: map_is_referenced. What a client has taken, and what it has made
 * unreachable, are its intents. */
inline recover()
{
	if
	:: taken != NONE && owner[taken] == me -> owner[taken] = 0
#ifdef MUTANT_RECOVER_WITHOUT_LOOK
	:: taken != NONE && owner[taken] != me -> free_block(taken, taken_number)
#else
	:: taken != NONE && owner[taken] != me && !ANY_REFERS(taken, taken_number) -> free_block(taken, taken_number)
#endif
	:: else
	fi;
	if
	:: outgoing != NONE && !ANY_REFERS(outgoing, outgoing_number) -> free_block(outgoing, outgoing_number)
	:: else
	fi
}

/* A CAS of a slot, from a state with a number. */
inline cas(SLOT, STATE, NUMBER, TO, AS, AT)
{
	swapped = IS(SLOT, STATE, NUMBER);
	if
	:: swapped -> kind[SLOT] = TO; number[SLOT] = AS; block[SLOT] = AT
	:: else
	fi
}

inline set_empty(SLOT, STATE, NUMBER)
{
#ifdef MUTANT_EMPTY_IS_ZERO
	cas(SLOT, STATE, NUMBER, EMPTY, 0, NONE)
#else
	DRAW; cas(SLOT, STATE, NUMBER, EMPTY, fresh, NONE)
#endif
}

inline becomes(WHO)
{
	now = WHO; may_be = may_be | (1 << WHO);
#ifdef PASSES
	if
	:: WHO && IS_PUT(WHO) -> news = 255
	:: else
	fi
#endif
}

/* map_split.c: help */
inline help_split()
{
	i = 0;
	do
	:: i < 2 ->
		STEP(k = kind[i]; n = number[i]; b = block[i]);
		do
		:: k == EMPTY -> break
		:: k == PROV -> STEP(k0 = kind[i]; n0 = number[i]; set_empty(i, PROV, n); k = (swapped -> EMPTY : k0); n = n0; b = block[i])
		:: k == THERE -> STEP(k0 = kind[i]; n0 = number[i]; b0 = block[i]; cas(i, THERE, n, LEAVING, n, b);
			k = (swapped -> LEAVING : k0); n = n0; b = b0)
		:: k == LEAVING ->
#ifdef MUTANT_COPY_BEHIND_THE_ORIGINAL
			STEP(set_empty(i, LEAVING, n));
			STEP(cas(2 + i, EMPTY, 0, ARRIVING, n, b));
#else
			STEP(cas(2 + i, EMPTY, 0, ARRIVING, n, b));
			STEP(set_empty(i, LEAVING, n));
#endif
			STEP(cas(2 + i, ARRIVING, n, THERE, n, b));
			break
		od;
		i++
	:: i == 2 -> break
	od;
#ifndef MUTANT_ARRIVING_IS_NOT_SETTLED
	do
	:: i < 4 -> STEP(if :: kind[i] == ARRIVING -> kind[i] = THERE :: else fi); i++
	:: i == 4 -> break
	od;
#endif
	STEP(if :: word == 1 -> word = 2 :: else fi)
}

/* So that states do not differ by what nobody uses any more. */
inline forget()
{
	atomic { k = 0; n = 0; b = 0; k0 = 0; n0 = 0; b0 = 0; k1 = 0; n1 = 0; b1 = 0; w = 0; side = 0 }
}

/* map_look.c: both slots, and behind them the word */
inline read_slots()
{
	STEP(k0 = kind[base]; n0 = number[base]; b0 = block[base]);
	STEP(k1 = kind[base + 1]; n1 = number[base + 1]; b1 = block[base + 1]);
	STEP(w = word);
	if
	:: k0 >= THERE -> side = 0; k = k0; n = n0; b = b0
	:: k0 < THERE && k1 >= THERE -> side = 1; k = k1; n = n1; b = b1
	:: else -> side = NONE
	fi
}

inline take_block()
{
	if
	:: taken != NONE
	:: taken == NONE -> STEP(
		if
		:: owner[0] == 0 -> taken = 0
		:: owner[0] && owner[1] == 0 -> taken = 1
		:: owner[0] && owner[1] && BLOCKS > 2 && owner[BLOCKS - 1] == 0 -> taken = BLOCKS - 1
		fi;
		assert(!ANY_REFERS(taken, front[taken]));
		owner[taken] = me)
	fi;
	DRAW; taken_number = fresh;
	STEP(front[taken] = taken_number);
	STEP(back[taken] = taken_number)
}

/* Who succeeded frees what the slot referred to. */
inline free_outgoing()
{
	STEP(free_block(outgoing, outgoing_number); outgoing = NONE)
}

inline give_taken()
{
	if
	:: atomic { taken != NONE && owner[taken] == me -> owner[taken] = 0 }
	:: else
	fi
}

/* map_change.c */
proctype writer(byte me; bool removes)
{
	byte base, attempts = ATTEMPTS, drawn, fresh, i, side, other, w;
	byte k, n, b, k0, n0, b0, k1, n1, b1, taken = NONE, taken_number, outgoing = NONE, outgoing_number;
	bool swapped;
#ifdef PASSES
	byte witnessed;

	/* In the call before. */
	STEP(witnessed = (kind[0] >= THERE -> number[0] : 0));
	STEP(news = news & (255 - (1 << me));
#ifndef MUTANT_WITNESS_OF_THE_CALL_BEFORE
		witnessed = 0
#endif
	);
#endif

again:	forget();
	atomic { other = 0; swapped = false; i = 0; fresh = 0 };
	if
	:: attempts == 0 -> goto finished
	:: else -> attempts--
	fi;
	read_slots();
	if
	:: side != NONE ->
		STEP(w = (front[b] == n -> 1 : 0));
		if
		:: w == 0 -> goto again
#ifndef MUTANT_WRITE_TO_WHAT_LEAVES
		:: w && k != THERE -> help_split(); goto again
		:: w && k == THERE
#else
		:: w
#endif
		fi;
#ifdef PASSES
		if /* map_look_is_put_since */
		:: witnessed == 0 -> witnessed = n
#ifdef MUTANT_PASSED_BY_WHAT_DEPENDS_ON_IT
		:: !removes && IS_PUT(me) && witnessed && witnessed != n ->
#else
		:: !removes && IS_PUT(me) && witnessed && witnessed != n && IS_PUT(BY(n)) ->
#endif
			assert(news >> me & 1);
			goto finished
		:: else
		fi;
#endif
		if
		:: removes -> STEP(set_empty(base + side, k, n);
			if
			:: swapped -> assert(now == BY(n)); becomes(0); outgoing = b; outgoing_number = n
			:: else
			fi)
		:: !removes -> take_block();
			STEP(cas(base + side, k, n, k, taken_number, taken);
			if
			:: swapped -> assert(now == BY(n)); becomes(me); owner[taken] = NONE;
				outgoing = b; outgoing_number = n
			:: else
			fi)
		fi;
		if
		:: swapped -> free_outgoing(); goto finished
		:: !swapped -> goto again
		fi
	:: side == NONE && base == 0 && w == 2 -> base = 2; goto again
	:: side == NONE && base == 0 && w == 1 -> help_split(); goto again
	:: side == NONE && (base == 2 || w == 0) && removes -> goto finished
	:: side == NONE && (base == 2 || w == 0) && !removes && k0 == EMPTY -> side = 0; n = n0
	:: side == NONE && (base == 2 || w == 0) && !removes && k1 == EMPTY -> side = 1; n = n1
	:: side == NONE && (base == 2 || w == 0) && !removes && k0 != EMPTY && k1 != EMPTY -> /* find_stale, clear */
		STEP(set_empty(base, PROV, n0));
		STEP(set_empty(base + 1, PROV, n1));
		goto again
	fi;
	/* insert */
	take_block();
	STEP(cas(base + side, EMPTY, n, PROV, taken_number, taken));
	if
	:: !swapped -> goto again
	:: else
	fi;
	other = base + 1 - side;
#ifndef MUTANT_INSERT_WITHOUT_SECOND_LOOK
	STEP(k = kind[other]; n = number[other]);
#ifndef MUTANT_INSERT_WITHOUT_THE_WORD
	STEP(w = word);
	if
	:: base == 0 && w != 0 -> goto undo
	:: else
	fi;
#endif
	do /* settle */
	:: k == PROV -> STEP(k0 = kind[other]; n0 = number[other]; set_empty(other, PROV, n); k = (swapped -> EMPTY : k0); n = n0)
	:: k >= THERE -> goto undo
	:: k == EMPTY -> break
	od;
#endif
	STEP(cas(base + side, PROV, taken_number, THERE, taken_number, taken);
	if
	:: swapped -> assert(now == 0); becomes(me); owner[taken] = NONE
	:: else
	fi);
	if
	:: swapped -> goto finished
	:: !swapped -> goto again
	fi;
undo:	STEP(set_empty(base + side, PROV, taken_number));
	goto again;
finished:
	give_taken();
gone:	atomic { forget(); base = 0; attempts = 0; drawn = 0; fresh = 0; i = 0; other = 0; swapped = false; taken_number = 0;
		outgoing_number = 0; done++ }
#ifdef PASSES
	witnessed = 0
#endif
}

/* Begin a split, and help it to its end. */
proctype splitter(byte me)
{
	byte drawn, fresh, i, k, n, b, k0, n0, b0, taken = NONE, taken_number, outgoing = NONE, outgoing_number;
	bool swapped;

	STEP(if :: word == 0 -> word = 1 :: else fi);
	STEP(k = word);
	if
	:: k == 1 -> help_split()
	:: else
	fi;
gone:	done++
}

/* It ends with whose entry it found, 0: none. */
proctype reader(byte me)
{
	byte base, k, n, b, k0, n0, b0, k1, n1, b1, w, side, got, taken = NONE, taken_number, outgoing = NONE, outgoing_number;

	may_be = 1 << now;
again:	forget();
	read_slots();
	do
	:: side != NONE ->
		STEP(got = front[b]);
#ifndef MUTANT_READ_WITHOUT_VERSION
		STEP(w = (got == n && back[b] == n -> 1 : 0));
		if
		:: w -> got = BY(n); break
		:: !w -> base = 0; goto again
		fi
#else
		got = BY(got); break
#endif
	:: side == NONE && base == 0 && w == 2 -> base = 2; goto again
	:: side == NONE && base == 0 && w == 1 ->
#ifdef MUTANT_LOOK_WITHOUT_SIBLING
		got = 0; break
#else
		STEP(w = word);
		base = (w == 1 -> 2 : 0); goto again
#endif
	:: side == NONE && (base == 2 || w == 0) -> got = 0; break
	od;
	assert(may_be >> got & 1);
gone:	done++
}

/* Whoever comes last finds everything in order. */
proctype last(byte me)
{
	byte drawn, fresh, i, k, n, b, k0, n0, b0, taken = NONE, taken_number, outgoing = NONE, outgoing_number;
	bool swapped;

	if
	:: word == 1 -> help_split()
	:: else
	fi;
	n = 0; i = 0;
	do
	:: i < 4 ->
		assert(kind[i] <= THERE && (i < 2 && word == 2 -> kind[i] != THERE : true));
		if
		:: kind[i] == THERE -> n++;
			assert(BY(number[i]) == now && owner[block[i]] == NONE);
			assert(front[block[i]] == number[i] && back[block[i]] == number[i])
		:: else
		fi;
		i++
	:: i == 4 -> break
	od;
	assert(n == (now -> 1 : 0));
	i = 0; b = 0;
	do
	:: i < BLOCKS -> b = b + (owner[i] != 0); i++
	:: i == BLOCKS -> break
	od;
	assert(b == n);
gone:	skip
}

init
{
	byte i = 1;

	atomic {
		number[0] = 1; number[1] = 2;
#ifdef HAS_ENTRY
		kind[0] = THERE; number[0] = FIRST * 16; block[0] = 0; owner[0] = NONE;
		front[0] = FIRST * 16; back[0] = FIRST * 16; now = FIRST;
#endif
		do
		:: i <= PUTS -> run writer(i, false); i++
		:: i > PUTS && i <= PUTS + REMOVES -> run writer(i, true); i++
		:: i > PUTS + REMOVES && i <= CLIENTS -> run splitter(i); i++
		:: i > CLIENTS -> break
		od;
#ifndef NO_READER
		run reader(8)
#else
		done++
#endif
	}
	done == CLIENTS + 1;
	atomic { crashes = 0; run last(6) }
}
