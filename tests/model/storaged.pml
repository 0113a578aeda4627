/* SPDX-License-Identifier: Apache-2.0 */
/* storaged: its one thread. */

/* A session ends: storaged/session/session.c: session_end, is_fenced; control.c: what is in the connection is dropped */
inline fence(i)
{
	do
	:: len(wakes[i]) > 0 -> wakes[i] ? _, _
	:: len(wakes[i]) == 0 -> break
	od;
	if
#ifdef ENLISTED /* futex_forget: who waits for an event is not counted any more */
	:: parked_on[i] == ENLISTED -> mem[ENLISTED + 1] = mem[ENLISTED + 1] - WEIGHT(i)
	:: parked_on[i] != ENLISTED
#else
	:: true
#endif
	fi;
	forget(i);
	woken[i] = false;
#ifdef STOP
	granted[i] = 0;
#endif
	fenced[i] = true
}

#ifdef MUTANT_NO_FENCE /* what a client has under way lands whenever it wants */
#define KILL(i) :: atomic { crashes > 0 && !dead[i] -> crashes--; dead[i] = true }
#else
#define KILL(i)
#endif

#define SERVE(i) \
	:: atomic { nempty(wakes[i]) -> wakes[i] ? w, count; WAKE(w, count); w = 0; count = 0 } \
	KILL(i) \
	:: d_step { dead[i] && !fenced[i] -> fence(i) } \
	:: atomic { fenced[i] && !ended[i] -> owner = i; sweeping = true }; \
		any = false; \
		sweep_object(); \
		d_step { \
			if \
			:: any -> wake_object() \
			:: else -> recheck() \
			fi; \
			any = false; \
			owner = 0; \
			value = 0; \
			before = 0; \
			sweeping = false; \
			ended[i] = true; \
		}

#ifdef STOP
/* grants.c: take_back, and futex.c: end_grants. The time may be over at any moment; who is dead or frozen does not come
 * again, and how often somebody is only slow is bounded. */
#ifdef MUTANT_TAKE_BACK_WHAT_WAS_TAKEN_UP
#define IS_GRANTED(w) OWNER(mem[w])
#else
#define IS_GRANTED(w) (mem[w] & GRANTED)
#endif
#ifdef MUTANT_TAKE_BACK_AND_WAKE_NOBODY
#define PASS_ON(w)
#else
#define PASS_ON(w) wake(w, EVERYBODY);
#endif
#ifdef MUTANT_GRANT_FOR_EVER
#define TAKE_BACK(w)
#else
#define TAKE_BACK(w) \
	:: atomic { \
		!sweeping && IS_GRANTED(w) && (dead[OWNER(mem[w])] || IS_FROZEN(OWNER(mem[w])) || revokes > 0) -> \
		revokes = (dead[OWNER(mem[w])] || IS_FROZEN(OWNER(mem[w])) -> revokes : revokes - 1); \
		mem[w] = WITHOUT_OWNER(mem[w]) & ~GRANTED; \
		PASS_ON(w) \
	   }
#endif
#else
#define TAKE_BACK(w)
#endif
#ifndef WATCHES /* whether a session that was woken for permits has come for them */
#define WATCHES
#endif
#ifndef GRANTABLE /* the words that storaged gives away */
#define GRANTABLE 0
#endif

active proctype storaged()
{
	byte w, n, who, place, count, owner;
	short value, before;
	bool any, looked, may_pause;

end:	do
#ifdef STOP
	:: atomic { pausing != NOTHING -> w = pausing; pausing = NOTHING; wake(w, EVERYBODY); w = 0 } /* waitlist.c: waitlist_end_pauses */
#endif
	TAKE_BACK(GRANTABLE)
	WATCHES
	SERVE(1)
	SERVE(2)
#if CLIENTS >= 3
	SERVE(3)
#endif
#if CLIENTS >= 4
	SERVE(4)
#endif
	od
}

#ifndef BEGIN_WITH
#define BEGIN_WITH skip
#endif

/* How many will die is said beforehand: that one could die yet saves nobody who is parked for ever. */
init
{
	atomic {
		select(crashes : 0 .. CRASHES);
		select(revokes : 0 .. REVOKES);
		BEGIN_WITH;
		run client(1);
		run client(2);
#if CLIENTS >= 3
		run client(3);
#endif
#if CLIENTS >= 4
		run client(4)
#endif
	};
end:	timeout -> at_the_end()
}
