/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/objects/queue_push.c, queue_pop.c, queue_next.c, queue_left.c: tickets, slots with their laps, void tickets, items
 * left behind, and the sweep of a session that died between any two steps. Each atomic is one step. Waiting for an event
 * is waiting for what it tells of: event.pml has how. How often a ticket is skipped that its producer is slow with is
 * bounded, and how often a producer claims the slot of a ticket that it does not get, and a consumer takes the next
 * ticket and its item at once.
 */
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef ITEMS
#define ITEMS 1 /* of each producer */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef SKIPS
#define SKIPS 1
#endif
#ifndef GUESSES
#define GUESSES 0
#endif
#ifndef LOOKS
#define LOOKS 0 /* of consumers that take the next ticket and its item at once */
#endif
#ifndef TICKETS /* a producer that would need more has a deadline */
#define TICKETS 6
#endif
#define PRODUCERS 2
#define CONSUMERS 2
#define LAP(t)  ((t) / CAPACITY)
#define SLOT(t) ((t) % CAPACITY)
#define NONE    255
#define EMPTY   0
#define CLAIMED 1
#define FULL    2
#define DIED    3

byte tail, head, void_below, left_count, ended_count;
byte lap[CAPACITY], state[CAPACITY], owner[CAPACITY], item[CAPACITY];
bool left[CAPACITY];
byte ticket_of[PRODUCERS + 1] = NONE; /* of a live producer */
byte popped[PRODUCERS * ITEMS + 1], last[PRODUCERS + 1];
bool pushed[PRODUCERS * ITEMS + 1];
byte crashes = CRASHES, skips = SKIPS, guesses = GUESSES, looks = LOOKS, ended_consumers;
chan dead = [2] of { byte }; /* sessions to be swept: the producer, or 0 */

#define IN_USE(t)   (lap[SLOT(t)] < LAP(t) && (state[SLOT(t)] == CLAIMED || state[SLOT(t)] == FULL))
#define IS_AWAITED(t) (ticket_of[1] == t || ticket_of[2] == t)
#define TICKET(s)   (lap[s] * CAPACITY + s)
#define MAX(a, b)   ((a) > (b) -> (a) : (b))
#define DIES :: atomic { crashes > 0 -> crashes--; ticket_of[me] = NONE; dead ! me }; goto gone
#define ENDS :: atomic { crashes > 0 -> crashes--; ended_consumers++; dead ! 0 }; goto gone

inline emptied(s)
{
	lap[s]++; state[s] = EMPTY; owner[s] = 0; item[s] = 0; left[s] = false
}

inline take(s)
{
	popped[item[s]]++;
	assert(popped[item[s]] == 1);
	emptied(s)
}

proctype producer(byte me)
{
	byte t, n;
	bool was_left;

	do
	:: n == ITEMS -> break
	:: n < ITEMS ->
retry:		if /* take_tickets */
		:: tail == TICKETS -> break
		:: atomic { tail < TICKETS && tail - head < CAPACITY -> t = tail; tail++; ticket_of[me] = t }
		:: atomic { guesses > 0 && tail < TICKETS && tail - head < CAPACITY -> guesses--; t = tail };
			if /* try_tickets: others may have taken that ticket */
#ifdef MUTANT_FILL_WITHOUT_A_TICKET
			:: atomic { tail > t && lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == EMPTY -> state[SLOT(t)] = CLAIMED; owner[SLOT(t)] = me };
				if
				:: goto claimed
				DIES
				fi
#endif
			/* let_go */
			:: atomic { lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == EMPTY -> state[SLOT(t)] = CLAIMED; owner[SLOT(t)] = me };
				if
				:: atomic { state[SLOT(t)] == CLAIMED && !left[SLOT(t)] -> state[SLOT(t)] = EMPTY; owner[SLOT(t)] = 0 }; goto retry
				:: atomic { left[SLOT(t)] -> emptied(SLOT(t)) }; goto retry
				DIES
				fi
			:: lap[SLOT(t)] != LAP(t) || state[SLOT(t)] != EMPTY; goto retry
			DIES
			fi
		DIES
		fi;
		if /* claim_all, claim_late */
		:: atomic { lap[SLOT(t)] <= LAP(t) && !IN_USE(t) && (lap[SLOT(t)] < LAP(t) || state[SLOT(t)] == EMPTY) ->
			lap[SLOT(t)] = LAP(t); state[SLOT(t)] = CLAIMED; owner[SLOT(t)] = me; left[SLOT(t)] = false }
		:: IN_USE(t);
			if /* give_up */
			:: atomic { tail = (tail == t + 1 -> t : tail); ticket_of[me] = NONE }; goto retry
			DIES
			fi
		:: atomic { lap[SLOT(t)] > LAP(t) || (lap[SLOT(t)] == LAP(t) && state[SLOT(t)] != EMPTY) -> ticket_of[me] = NONE }; goto retry
		DIES
		fi;
claimed:
#ifndef MUTANT_CLAIM_WITHOUT_LOOK_AT_VOID
		if
		:: atomic { t < void_below -> emptied(SLOT(t)); ticket_of[me] = NONE }; goto retry /* unclaim */
		:: t >= void_below
		DIES
		fi;
#endif
		if /* publish, publish_marked */
		:: atomic {
			assert(lap[SLOT(t)] == LAP(t) && owner[SLOT(t)] == me && state[SLOT(t)] == CLAIMED && t < tail);
			state[SLOT(t)] = FULL; owner[SLOT(t)] = 0; item[SLOT(t)] = (me - 1) * ITEMS + n + 1;
			pushed[item[SLOT(t)]] = true; was_left = left[SLOT(t)]; ticket_of[me] = NONE }
		DIES
		fi;
		n++;
#ifndef MUTANT_PUBLISH_WITHOUT_COUNT
		if
		:: atomic { was_left -> left_count++; was_left = false }
		:: !was_left
		DIES
		fi
#endif
	od;
gone:	skip
}

proctype consumer(byte me)
{
	byte t, s, below, missed_left, missed_ended, seen_left, seen_ended;
	bool any, found, has_ticket;

end:	do
	:: atomic { looks > 0 -> looks--; t = head }; /* queue_take_next; it waits, or sees an item */
		atomic { has_ticket = (head == t); head = (has_ticket -> t + 1 : head) };
		if
		:: atomic { lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == FULL && !left[SLOT(t)] -> take(SLOT(t)) }
#ifndef MUTANT_FORGET_THE_TICKET
		:: !(lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == FULL && !left[SLOT(t)]) && has_ticket -> goto settle
		:: !(lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == FULL && !left[SLOT(t)]) && !has_ticket
#else
		:: !(lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == FULL && !left[SLOT(t)])
#endif
		ENDS
		fi
	:: seen_left != left_count || seen_ended != ended_count -> /* take_left */
#ifdef MUTANT_READ_THE_HEAD_BEFORE_THE_COUNT
		below = head;
#endif
		atomic { missed_left = left_count; missed_ended = ended_count; any = seen_ended != ended_count; found = false };
#ifndef MUTANT_READ_THE_HEAD_BEFORE_THE_COUNT
		below = head;
#endif
#ifndef MUTANT_ABANDONED_TICKETS_STAY_VALID
		if
		:: atomic { any -> void_below = MAX(void_below, below) }
		:: !any
		fi;
#endif
		s = 0;
		do
		:: atomic { s < CAPACITY && state[s] == FULL && TICKET(s) < below && (any || left[s]) -> take(s); found = true; s = CAPACITY }
#ifndef MUTANT_ABANDONED_CLAIM_IS_OVERLOOKED
		:: atomic { s < CAPACITY && any && state[s] == CLAIMED && TICKET(s) < below -> left[s] = true; s++ }
		:: atomic { s < CAPACITY && !(state[s] == FULL && TICKET(s) < below && (any || left[s])) &&
			!(any && state[s] == CLAIMED && TICKET(s) < below) -> s++ }
#else
		:: atomic { s < CAPACITY && !(state[s] == FULL && TICKET(s) < below && (any || left[s])) -> s++ }
#endif
		:: s == CAPACITY -> break
		ENDS
		od;
		if
		:: atomic { !found -> seen_left = missed_left; seen_ended = missed_ended }
		:: found
		fi
	:: atomic { head < tail -> t = head; head++ };
settle:		do
		:: atomic { lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == FULL -> take(SLOT(t)) }; break
		:: atomic { lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == DIED -> emptied(SLOT(t)) }; break
		:: lap[SLOT(t)] > LAP(t) -> break
		:: atomic { lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == EMPTY && (skips > 0 || !IS_AWAITED(t)) ->
			skips = (IS_AWAITED(t) -> skips - 1 : skips); emptied(SLOT(t)) }; break
		:: atomic { skips > 0 && lap[SLOT(t)] == LAP(t) && state[SLOT(t)] == CLAIMED -> /* its deadline */
			skips--;
#ifndef MUTANT_LEAVE_WITHOUT_MARK
			left[SLOT(t)] = true
#endif
			}; break
		:: atomic { lap[SLOT(t)] < LAP(t) && (skips > 0 || !IS_AWAITED(t)) ->
			skips = (IS_AWAITED(t) -> skips - 1 : skips);
#ifndef MUTANT_GO_ON_WITHOUT_VOID
			void_below = MAX(void_below, t + 1)
#endif
			};
			if
			:: lap[SLOT(t)] < LAP(t) -> break
			:: lap[SLOT(t)] >= LAP(t)
			ENDS
			fi
		ENDS
		od
	od;
gone:	skip
}

/* lib/core/sweep.c: sweep_object */
active proctype sweep()
{
	byte who, s;

end:	do
	:: dead ? who ->
		s = 0;
		do
		:: atomic { s < CAPACITY && who && owner[s] == who && state[s] == CLAIMED && left[s] -> emptied(s); s++ }
		:: atomic { s < CAPACITY && who && owner[s] == who && state[s] == CLAIMED && !left[s] -> state[s] = DIED; owner[s] = 0; s++ }
		:: atomic { s < CAPACITY && !(who && owner[s] == who && state[s] == CLAIMED) -> s++ }
		:: s == CAPACITY -> break
		od;
#ifndef MUTANT_SWEEP_WITHOUT_COUNT
		ended_count++
#endif
	od
}

init
{
	byte i, lost;

	atomic { run producer(1); run producer(2); run consumer(1); run consumer(2) };
end:	timeout;
	assert(ticket_of[1] == NONE && ticket_of[2] == NONE);
	for (i : 1 .. PRODUCERS * ITEMS) {
		lost = lost + (pushed[i] && popped[i] == 0 -> 1 : 0)
	}
	assert(lost == 0)
}
