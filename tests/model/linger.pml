/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linger, renewal and restart. A client does work outside of the store while it has the word. When its session is lost the
 * client ends that work within its linger, whenever it notices; until then the word is given to nobody else.
 *
 *	SERVE       storaged/session/session.c: session_end, is_fenced, sessions_expire_lingers, sweep_next, go_free
 *	begin       lib/remote/open.c, lib/client/renew.c: dso_open(), dso_renew(); storaged/session/restart.c: restart_session_begins
 *	WRITE_MARKER, MARKED_WAIT    storaged/session/restart.c: keep; storaged/session/marker.c: marker_read
 *	storaged    storaged/session/restart.c: restart_open, restart_turn, restart_sweep, restart_close; storaged/server.c: drain
 *
 * - Time passes in ticks, and only while something waits for it. storaged notices a lost session within the TTL, and may
 *   notice at once. The linger counts from then on.
 * - One-sided operations land until storaged has closed the session's paths.
 * - Parking and waking are in futex.pml; here a client takes the word at any moment at which it is free.
 */
#define CLIENTS 2
#define PLACES  3 /* in storaged's table, by which sessions are named in the word */
#define STORAGED 7
#define TTL     1
#define LINGER  2
#define BEAT    1
#define KEEP    (TTL + LINGER)
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef BREAKS /* connections that break */
#define BREAKS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif

byte word;    /* whose it is */
byte working; /* the client whose work runs; 0: none does */

/* Of a client. */
byte session[CLIENTS + 1];   /* its place; 0: it has none */
bool is_broken[CLIENTS + 1]; /* whether it has noticed or not */
bool can_land[CLIENTS + 1];
byte work_left[CLIENTS + 1]; /* ticks before which its work is to have ended */

/* Of a place. */
#define FREE    0
#define LIVE    1
#define FENCING 2
byte state[PLACES + 1];
byte client_of[PLACES + 1];         /* whose session it is */
bool has_said[PLACES + 1];   /* GOODBYE is in its connection */
bool is_cut[PLACES + 1];     /* its connection */
bool is_fenced[PLACES + 1];  /* and not swept */
byte silence_left[PLACES + 1];
byte linger_left[PLACES + 1];

/* storaged, and its marker, which outlives it. */
bool is_up = true, is_starting;
byte keep;           /* restart.keep_ns */
byte wait_ticks;     /* restart.wait_ns; 0: no more */
byte grace_left;
byte marker, age;    /* keep_ns in it, and the time since it was beaten */
byte breaks, restarts; /* that are left */
bool may_idle = RESTARTS > 0;

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#ifdef MUTANT_SECOND_RESTART_FORGETS_THE_GRACE
#define WRITE_MARKER marker = keep
#else
#define WRITE_MARKER marker = MAX(keep, wait_ticks) /* keep */
#endif
#ifdef MUTANT_NUMBER_IS_GIVEN_AGAIN_BEFORE_THE_SWEEP
#define IS_FREE(s) (state[s] == FREE)
#else
#define IS_FREE(s) (state[s] == FREE && !is_fenced[s])
#endif
#ifdef MUTANT_SESSION_OVER_FORGETS_WHO_LINGERS
#define IS_USED(s) (state[s] != FREE)
#else
#define IS_USED(s) (state[s] != FREE || is_fenced[s])
#endif
#define IS_TABLE_EMPTY !(IS_USED(1) || IS_USED(2) || IS_USED(3))

/* ---- the client ---- */

inline begin(s) /* and restart_session_begins */
{
	session[me] = s;
	is_broken[me] = false;
	can_land[me] = true;
	work_left[me] = 0;
	state[s] = LIVE;
	client_of[s] = me;
#ifdef MUTANT_GRACE_WITHOUT_TTL
	keep = LINGER;
#else
	keep = KEEP;
#endif
#ifndef MUTANT_BEGIN_WITHOUT_BEAT
	age = 0;
#endif
	WRITE_MARKER
}

#define MAY_BEGIN(s) (is_up && IS_FREE(s) && round < ROUNDS && !has && (session[me] == 0 || is_broken[me]))

proctype client(byte me)
{
	byte round;
	bool has, had; /* the word; in this session */

	do
	:: atomic { MAY_BEGIN(1) -> begin(1); had = false }
	:: atomic { MAY_BEGIN(2) -> begin(2); had = false }
	:: atomic { MAY_BEGIN(3) -> begin(3); had = false }
	:: atomic { /* owned_try_take; under it the work begins */
		round < ROUNDS && session[me] && !has && can_land[me] && word == 0 ->
		word = session[me];
		has = true;
		had = true;
		round++;
		assert(working == 0);
		working = me
	   }
	:: atomic { working == me -> working = 0 }
	:: atomic { /* owned_give */
		has && working != me && can_land[me] ->
		assert(word == session[me]);
		word = 0;
		has = false
	   }
	:: atomic { has && working != me && is_broken[me] -> has = false } /* it is told that its session was lost */
	:: atomic { /* dso_close, whether it has given the word back or not */
		session[me] && working != me && !is_broken[me] && (had || round == ROUNDS) ->
		has_said[session[me]] = true;
		can_land[me] = false;
		session[me] = 0;
		has = false;
		had = false
	   }
	:: atomic { session[me] && !has && is_broken[me] && round == ROUNDS -> session[me] = 0; can_land[me] = false }
	:: round == ROUNDS && !has && session[me] == 0 -> break
	od
}

/* ---- storaged ---- */

inline forget(s)
{
	state[s] = FREE;
	client_of[s] = 0;
	has_said[s] = false;
	is_cut[s] = false;
	silence_left[s] = 0
}

#ifdef MUTANT_SWEEP_AT_ONCE
#define LINGERS 0
#else
#define LINGERS LINGER
#endif
#ifdef MUTANT_NO_FENCE
#define CLOSE_PATHS(s) skip
#else
#define CLOSE_PATHS(s) can_land[client_of[s]] = (session[client_of[s]] == s -> false : can_land[client_of[s]])
#endif
#ifdef MUTANT_LINGER_FOR_EVER
#define IS_LINGER_OVER(s) false
#else
#define IS_LINGER_OVER(s) (linger_left[s] == 0)
#endif

#define SERVE(s) \
	:: d_step { is_up && state[s] == LIVE && has_said[s] -> state[s] = FENCING } /* also behind the end of its connection */ \
	:: d_step { is_up && state[s] == LIVE && is_cut[s] -> state[s] = FENCING; linger_left[s] = LINGERS } \
	:: d_step { is_up && state[s] == FENCING -> CLOSE_PATHS(s); forget(s); is_fenced[s] = true } \
	:: d_step { \
		is_up && is_fenced[s] && IS_LINGER_OVER(s) -> \
		word = (word == s -> 0 : word); \
		is_fenced[s] = false; \
		keep = (IS_TABLE_EMPTY -> 0 : keep); /* restart_session_over */ \
		WRITE_MARKER \
	   }

/* Its memory is gone, and so are all connections. */
inline lose(i)
{
	can_land[i] = false;
	work_left[i] = (session[i] && !is_broken[i] -> LINGER : work_left[i]);
	is_broken[i] = session[i] != 0
}

inline die()
{
	is_up = false;
	is_starting = false;
	restarts--;
	lose(1);
	lose(2);
	forget(1); is_fenced[1] = false; linger_left[1] = 0;
	forget(2); is_fenced[2] = false; linger_left[2] = 0;
	forget(3); is_fenced[3] = false; linger_left[3] = 0;
	keep = 0;
	grace_left = 0;
	wait_ticks = 0;
	word = STORAGED
}

#define IS_LIVE(s) (state[s] == LIVE && word == s)
#ifdef MUTANT_ORDERLY_END_FORGETS_HOLDS
#define HAD_HOLDS false
#else
#define HAD_HOLDS (IS_LIVE(1) || IS_LIVE(2) || IS_LIVE(3))
#endif
#define LINGERS_NOW(s) (is_fenced[s] || state[s] == FENCING)
#ifdef MUTANT_RESTART_WITHOUT_GRACE
#define MARKED_WAIT 0
#else
#define MARKED_WAIT (marker > age -> marker - age : 0) /* marker_read */
#endif

active proctype storaged()
{
end:	do
	SERVE(1)
	SERVE(2)
	SERVE(3)
	:: d_step { is_up && keep > 0 && age > 0 -> age = 0 } /* restart_turn: beat */
	:: d_step { is_up && may_idle && keep == 0 && grace_left == 0 && age < KEEP -> may_idle = false; age = KEEP }
	:: d_step { restarts > 0 && (is_up || is_starting) -> die() } /* by a signal */
	:: d_step { /* drain, restart_close: no word is given away any more, and whoever lives is told */
		restarts > 0 && is_up ->
		keep = (HAD_HOLDS || LINGERS_NOW(1) || LINGERS_NOW(2) || LINGERS_NOW(3) -> keep : 0);
		WRITE_MARKER;
		age = 0;
		die()
	   }
	:: d_step { /* restart_open; between its two writes it may be killed, too */
		!is_up && !is_starting ->
		is_starting = true;
		wait_ticks = MARKED_WAIT;
#ifdef MUTANT_KEEP_BEFORE_BEAT
		WRITE_MARKER
#else
		age = 0
#endif
	   }
	:: d_step {
		is_starting ->
		is_starting = false;
		age = 0;
		WRITE_MARKER;
		grace_left = wait_ticks;
		is_up = true
	   }
#ifndef MUTANT_GRACE_FOR_EVER
	:: d_step { is_up && word == STORAGED && grace_left == 0 -> word = 0; wait_ticks = 0; WRITE_MARKER } /* restart_sweep */
#endif
	od
}

/* ---- time, and what breaks ---- */

#define BREAK(i) \
	:: d_step { \
		breaks > 0 && session[i] && !is_broken[i] -> \
		breaks--; \
		is_broken[i] = true; \
		work_left[i] = LINGER; \
		is_cut[session[i]] = true; \
		silence_left[session[i]] = TTL \
	   }

#define LESS(left) left = (left > 0 -> left - 1 : 0)
#define IS_LATE(s) (is_up && (state[s] == FENCING || (state[s] == LIVE && is_cut[s] && silence_left[s] == 0)))
#define MUST_END(i) (working == i && is_broken[i] && work_left[i] <= 1)
#define IS_ANYTHING_LEFT \
	(linger_left[1] || linger_left[2] || linger_left[3] || silence_left[1] || silence_left[2] || silence_left[3] || \
	 grace_left || work_left[1] || work_left[2] || (!is_up && age < KEEP))

active proctype time()
{
end:	do
	BREAK(1)
	BREAK(2)
	:: d_step {
		IS_ANYTHING_LEFT && !is_starting && !(is_up && keep > 0 && age >= BEAT) && !IS_LATE(1) && !IS_LATE(2) &&
		!IS_LATE(3) && !MUST_END(1) && !MUST_END(2) ->
		LESS(linger_left[1]); LESS(linger_left[2]); LESS(linger_left[3]);
		LESS(silence_left[1]); LESS(silence_left[2]); LESS(silence_left[3]);
		LESS(work_left[1]); LESS(work_left[2]);
		LESS(grace_left);
		age = (age < KEEP -> age + 1 : age)
	   }
	od
}

/* Everybody has had the word in the end, or Spin says that a client waits for ever. What will break is said beforehand: that
 * something could break yet saves nobody who waits. */
init
{
	atomic {
		select(breaks : 0 .. BREAKS);
		select(restarts : 0 .. RESTARTS);
		run client(1);
		run client(2)
	};
end:	timeout -> assert(word == 0 && working == 0)
}
