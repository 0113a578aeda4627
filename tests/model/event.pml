/* SPDX-License-Identifier: Apache-2.0 */
/* Events: lib/objects/event.c, step by step. An event is the words e and e + 1: its count, and how many wait. */

/* event.c: event_enlist: two atomics in one round trip, one after the other */
inline event_enlist(e, weight, ret_count)
{
#ifdef MUTANT_COUNT_BEFORE_ENLIST
	if
	:: ret_count = mem[e]
	DIES
	fi;
#endif
	if
	:: mem[e + 1] = mem[e + 1] + (weight)
	DIES
	fi;
#ifndef MUTANT_COUNT_BEFORE_ENLIST
	if
	:: ret_count = mem[e]
	DIES
	fi
#endif
}

/* event.c: event_count */
inline event_count(e, ret_count)
{
	if
	:: ret_count = mem[e]
	DIES
	fi
}

/* event.c: event_leave */
inline event_leave(e, weight)
{
	if
	:: mem[e + 1] = mem[e + 1] - (weight)
	DIES
	fi
}

/* event.c: event_wait. r is OK or TIMEDOUT. */
inline event_wait(e, count)
{
	if
	:: atomic { mem[e] != count -> r = OK } /* spin_on and event_count, until it has another */
	:: futex_wait(e, count)
	DIES
	fi
}

/* event.c: event_raise. raised(e): noted in the step in which it is. */
inline event_raise(e, ret_waiters)
{
#ifdef MUTANT_WAITERS_BEFORE_COUNT
	if
	:: ret_waiters = mem[e + 1]
	DIES
	fi;
#endif
	if
	:: atomic { mem[e] = mem[e] + 1; raised(e) }
	DIES
	fi;
#ifndef MUTANT_WAITERS_BEFORE_COUNT
	if
	:: ret_waiters = mem[e + 1]
	DIES
	fi
#endif
}
