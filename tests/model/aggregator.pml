/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/aggregator_contribute.c, aggregator_wait.c and lib/core/reduction.c: places, contributions, the reduction, those who wait,
 * and the sweep of a session that died between any two steps; retries are allowed, and who died is begun again. Each atomic
 * is one step; a vector is written and read in two. Waiting for the event is waiting for another count of it: event.pml has
 * how.
 */
#define IDS 2
#define PLACES (2 * IDS)
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef REPLACES /* how often the first client contributes to a round again */
#define REPLACES 0
#endif
#ifndef TWINS /* a second client for the first id from the beginning */
#define TWINS 0
#endif
#define CLIENTS (IDS + TWINS + CRASHES)
#define NONE 15

byte round = 1, arrived, event, reducer, reducers;
/* words of the ids: the round, the place + 1, and whether it is frozen */
byte id_round[IDS], id_place[IDS];
bool id_frozen[IDS];
/* words of the places: the owner, the uses, and the id they were taken for last, + 1 */
byte owner[PLACES], uses[PLACES], taken_for[PLACES];
/* vectors: round * 2 + id, in two halves, with who wrote each of them, and at which turn */
byte first[PLACES], second[PLACES], first_by[PLACES], second_by[PLACES];
byte crashes = CRASHES, replaces = REPLACES, next_client = IDS + TWINS + 1;
chan dead = [2] of { byte, byte };

#define DIES :: atomic { crashes > 0 -> crashes--; dead ! me, id }; goto gone

/* Of the id's word, as it was seen. */
#define IS_SEEN (id_round[id] == seen_round && id_place[id] == seen_place && id_frozen[id] == seen_frozen)
inline see()
{
	seen_round = id_round[id]; seen_place = id_place[id]; seen_frozen = id_frozen[id]
}

proctype client(byte me, id)
{
	byte place = NONE, place_round, before = NONE, candidate, candidate_uses, now, target, turn;
	byte seen_round, seen_place, first_event, counted, i, values[IDS];
	bool seen_frozen, whole, looked, fresh;

	target = round; /* dso_aggregator_stat */
	do
	:: target > ROUNDS -> break
	:: target <= ROUNDS ->
again:		turn++;
		if /* have_place */
		:: place != NONE && place_round < target -> skip
#ifdef MUTANT_WRITE_TO_WHAT_IS_PUBLISHED
		:: place != NONE && place_round == target -> skip
#else
		:: place != NONE && place_round == target -> before = place; place = NONE
#endif
		:: place == NONE
		fi;
		candidate = 0;
		do
		:: place != NONE -> break
		:: atomic { place == NONE && candidate < PLACES && owner[candidate] != 0 -> candidate++ }
		:: atomic { place == NONE && candidate < PLACES && owner[candidate] == 0 -> candidate_uses = uses[candidate]; now = round };
			if
#ifdef MUTANT_TAKE_WHAT_IS_PUBLISHED
			:: false
#else
			:: taken_for[candidate] && id_place[taken_for[candidate] - 1] == candidate + 1 &&
				id_round[taken_for[candidate] - 1] >= now -> candidate++
#endif
			:: else ->
				if
				:: atomic { owner[candidate] == 0 && uses[candidate] == candidate_uses ->
					owner[candidate] = me; uses[candidate]++; taken_for[candidate] = id + 1;
					place = candidate; place_round = 0 }
				:: atomic { owner[candidate] || uses[candidate] != candidate_uses -> candidate++ }
				DIES
				fi
			fi
		:: place == NONE && candidate == PLACES -> assert(false) /* -EUSERS */
		DIES
		od;
		/* publish: the vector, the id's word, the arrival, the round */
		first[place] = target * 2 + id; first_by[place] = me + 16 * turn;
		if
		:: second[place] = target * 2 + id; second_by[place] = me + 16 * turn
		DIES
		fi;
		do
		:: seen_round == target && seen_frozen -> break /* too late */
		:: seen_round > target -> break
		:: !(seen_round == target && seen_frozen) && seen_round <= target ->
			if
			:: atomic { IS_SEEN -> id_round[id] = target; id_place[id] = place + 1; id_frozen[id] = false;
				see(); place_round = target }
				if
				:: now = event; first_event = (looked -> first_event : now); looked = true
				DIES
				fi;
				if
				:: atomic { arrived++; counted = arrived; fresh = true }
				DIES
				fi;
				break
			:: atomic { !IS_SEEN -> see() }
				if
				:: now = event; first_event = (looked -> first_event : now); looked = true
				DIES
				fi;
				if
				:: arrived++
				DIES
				fi
			DIES
			fi
		od;
		if /* leave_place */
		:: atomic { before != NONE -> owner[before] = 0; before = NONE }
		:: before == NONE
		DIES
		fi;
		if
		:: atomic { me == 1 && replaces > 0 && place != NONE && place_round == target -> replaces--; looked = false; fresh = false }; goto again
		:: true
		fi;
		if /* aggregator_await: in an all-reduce, or in a wait of its own */
		:: atomic { TWINS == 0 -> looked = false; fresh = false }
		:: true
		fi;
		do
		:: round > target -> break
		:: round == target ->
			if
			:: atomic { fresh -> fresh = false } /* what was seen along with the contribution */
			:: atomic { !fresh -> now = event; counted = arrived; first_event = (looked -> first_event : now); looked = true }
			fi;
			if
			:: round > target -> break
			:: round == target && (counted >= IDS || now != first_event) ->
				/* reduction_begin */
				atomic { i = 0; counted = 0 };
				do
				:: atomic { i < IDS -> counted = counted + (id_round[i] == target && id_place[i] != 0); i++ }
				:: i == IDS -> break
				DIES
				od;
				if
				:: atomic { counted == IDS && reducer == 0 -> reducer = me; reducers++; counted = arrived; whole = (round == target) };
					assert(reducers == 1);
					if
					:: whole ->
						i = 0;
						do /* freeze, find_vectors, reduce_chunk */
						:: atomic { i < IDS ->
#ifndef MUTANT_REDUCE_WITHOUT_FREEZING
							id_frozen[i] = true;
#endif
							values[i] = id_place[i] - 1; i++ }
						:: i == IDS -> break
						DIES
						od;
						i = 0;
						do
						:: atomic { i < IDS -> whole = whole && first[values[i]] == target * 2 + i };
							atomic { whole = whole && second[values[i]] == target * 2 + i &&
								first_by[values[i]] == second_by[values[i]]; i++ }
						:: i == IDS -> break
						DIES
						od;
#ifdef MUTANT_TAKE_THE_ARRIVALS_OFF_FIRST
						arrived = arrived - counted; counted = 0;
#endif
						if
						:: atomic { round == target -> assert(whole && values[0] == id_place[0] - 1 && values[1] == id_place[1] - 1); round++ }
						DIES
						fi;
						if
						:: arrived = arrived - counted
						DIES
						fi
					:: !whole
					fi;
					if
					:: atomic { reducer = 0; reducers-- }
					DIES
					fi;
					if
					:: event++
					DIES
					fi
				:: atomic { !(counted == IDS && reducer == 0) -> skip };
					if
					:: event != now || round > target -> skip
					DIES
					fi
				DIES
				fi
			:: round == target && !(counted >= IDS || now != first_event) ->
				if /* parked */
				:: event != now
				DIES
				fi
			fi
		DIES
		od;
		looked = false; fresh = false;
		target++
	od;
	/* dso_aggregator_close */
	do
	:: atomic { place != NONE -> owner[place] = 0; place = NONE }
	:: place == NONE -> break
	od;
gone:	skip
}

/* lib/core/sweep.c: sweep_object. Then who died is begun again. */
active proctype sweep()
{
	byte who, id, i;

end:	do
	:: dead ? who, id ->
#ifndef MUTANT_SWEEP_WITHOUT_ARRIVAL
		arrived++;
#endif
		i = 0;
		do
		:: atomic { i < PLACES -> owner[i] = (owner[i] == who -> 0 : owner[i]); i++ }
		:: i == PLACES -> break
		od;
		if
		:: atomic { reducer == who -> reducer = 0; reducers-- }
		:: reducer != who
		fi;
#ifndef MUTANT_SWEEP_WITHOUT_EVENT
		event++;
#endif
		/* If it had contributed, nobody may be needed any more. */
		if
		:: id_round[id] == ROUNDS && id_place[id] -> skip
		:: atomic { i = next_client; next_client++; run client(i, id) }
		fi
	od
}

init
{
	atomic {
		run client(1, 0);
		run client(2, 1);
		if
		:: TWINS -> run client(3, 0)
		:: !TWINS
		fi
	}
}
