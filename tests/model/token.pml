/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fencing tokens where the word's count begins anew: proto/layout.h (fencing_count, fencing_is_due, fencing_epoch),
 * lib/objects/fencing.c (fencing_advance), mutex.c (lock_for_token, dso_mutex_force_unlock). The word counts in 4 bits here
 * instead of 40, a quarter is 4, and owners advance the epoch at one count of each quarter instead of at 1,024. An owner
 * may die at that count, and another that was forced out may be late by any time with its compare-and-swap.
 */
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef FORCES
#define FORCES 0
#endif
#define CLIENTS 2
#define MODULUS 16
#define QUARTER 4
#define LAST    (3 * MODULUS) /* times that the word is taken */

byte count;  /* of all acquisitions, as nobody has it in the real thing */
byte holder; /* 0: nobody */
byte epoch;
byte crashes, forces;

/* Both in bytes, without a sign: the epoch never is beyond the count. */
#define FENCING_COUNT(word, e) ((e) + (((word) + QUARTER + 16 * MODULUS - (e)) % MODULUS) - QUARTER)
#define IS_DUE(word)           ((word) % QUARTER == QUARTER / 2)
#define EPOCH(c)               ((c) - (c) % QUARTER)

proctype client(byte me)
{
	byte mine, e, next;

	do
	:: atomic { count < LAST && holder == 0 ->
		holder = me;
		count++;
		mine = count
	   };
		/* lock_for_token: the epoch is read behind the word. Who was forced out by then has no claim. */
		atomic {
			assert(holder != me || FENCING_COUNT(mine % MODULUS, epoch) == mine);
			assert(epoch <= count)
		};
		if
		:: IS_DUE(mine % MODULUS) ->
			e = epoch; /* fencing_advance */
			atomic {
				next = EPOCH(FENCING_COUNT(mine % MODULUS, e));
#ifndef MUTANT_ADVANCE_WITHOUT_LOOK
				if
				:: holder == me && count == mine
				:: else -> next = e
				fi
#endif
			};
#ifdef MUTANT_ADVANCE_WITHOUT_COMPARE
			epoch = next
#elif defined(MUTANT_NEVER_ADVANCE)
			skip
#else
			atomic {
				if
				:: epoch == e -> epoch = next
				:: else
				fi
			}
#endif
		:: atomic { IS_DUE(mine % MODULUS) && crashes < CRASHES && holder == me ->
			crashes++; /* fenced, and the sweep takes it back */
			holder = 0
		   }
		:: !IS_DUE(mine % MODULUS)
		fi;
		if
		:: atomic { holder == me -> holder = 0 }
		:: holder != me
		fi;
		atomic { mine = 0; e = 0; next = 0 }
	:: count == LAST -> break
	od
}

/* dso_mutex_force_unlock, by anybody. Its owner goes on. */
proctype forcer()
{
	do
	:: atomic { forces < FORCES && holder != 0 -> forces++; holder = 0 }
	:: forces == FORCES || count == LAST -> break
	od
}

init {
	atomic {
		run client(1);
		run client(2);
		run forcer()
	}
}
