/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso/dso.h - libdso-rdma: shared memory of a storage host, for functions.
 *
 * A session connects to storaged and gives access to named objects in its memory: counters,
 * registers, and memory of one's own. Operations on them are one-sided (READ, WRITE,
 * compare-and-swap, fetch-and-add): over RDMA no code runs on the storage host.
 *
 * Returns: 0 or a negative errno. dso_error() is the sentence behind the last failure of a session.
 * Outputs are named ret_*, come last, may be NULL when not wanted and are not touched on failure,
 * except where it is said. A function that opens something has nowhere to put it then, and returns
 * -EINVAL.
 *
 * Threads: a session and every handle opened in it are used by one thread at a time; several
 * sessions may be open in a process, each used by a thread of its own at the same time. Another
 * thread may take a session over while nothing submitted is outstanding. With DSO_CHECK=1 in the
 * environment two threads that are in one session at the same time end the process, with a sentence
 * on stderr that names what both have called: for tests. dso_interrupt() alone is any thread's.
 *
 * fork(): a session stays the parent's. In the child each function that is called for it does
 * nothing and returns -ENOTCONN, or what is wrong with its arguments; dso_close() frees the child's
 * memory. What the parent submitted is executed once, by the parent. The child opens sessions of
 * its own (over verbs only where its parent had none); an embedded store that it opens is its own
 * too. exec() leaves nothing of a session.
 *
 * Order: the operations of a session are executed in the order in which they were called,
 * synchronous and submitted ones alike. Others see them in that order, but for one case: over shm,
 * and in an embedded store, a READ may be executed before another session sees a WRITE that came
 * before it, as a processor does with its own loads and stores. An atomic between the two, of any
 * word, prevents that.
 *
 * Errors that any operation on an object can return, beside its own:
 * 	-ESTALE      the object was deleted
 * 	-ESHUTDOWN   storaged has ended the session (it was silent for longer than the TTL, or
 * 		     storaged shuts down); nothing was done
 * 	-ENOTCONN    the connection was lost before; nothing was done
 * 	-ECONNRESET  the connection was lost, storaged fell silent, or its RDMA device failed,
 * 		     while the operation was under way: it may or may not have been executed. It is
 * 		     never repeated by the library, but for reads and the like under the option
 * 		     renew.
 * After the last three the session is over: dso_renew() begins a new one under the same handles. It
 * is over, too, after two errors of any call that asks storaged over the control connection:
 * 	-ETIMEDOUT   storaged has answered neither that nor a heartbeat within the session's
 * 		     timeout; where it answers heartbeats it is waited for
 * 	-EPROTO      what storaged answered breaks the protocol
 * What else an error means, where a function names it and says no more:
 * 	-EINVAL        an argument is none that it may be, as an empty name
 * 	-ENAMETOOLONG  a name has more than DSO_NAME_BYTES_MAX bytes
 * 	-EMFILE        this process has as many descriptors as it may
 * 	-ENOMEM        this process gets no more memory
 */
#ifndef DSO_DSO_H
#define DSO_DSO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Durations are int64 nanoseconds. */
#define DSO_NOWAIT      INT64_C(0)
#define DSO_FOREVER     INT64_C(-1)
#define DSO_MILLISECOND INT64_C(1000000)
#define DSO_SECOND      INT64_C(1000000000)

/* Limits. */
#define DSO_NAME_BYTES_MAX        255                /* of an object's name */
#define DSO_COUNTER_STRIPES_MAX   64                 /* of a counter */
#define DSO_REGISTER_BYTES_MAX    (64ULL << 20)      /* capacity of a register */
#define DSO_REGISTER_VERSION_MAX  ((1ULL << 40) - 1) /* the last one */
#define DSO_OUTSTANDING_MAX       1024               /* submitted and not yet reaped, a session */
#define DSO_RWLOCK_READERS_MAX    4096               /* of a rwlock at a time */
#define DSO_SEMAPHORE_PERMITS_MAX 4096               /* of a semaphore */
#define DSO_BARRIER_PARTIES_MAX   65535              /* of a barrier */
#define DSO_FUTURE_BYTES_MAX      (64ULL << 20)      /* capacity of a future */

/* The owner number of no session: storaged's own. */
#define DSO_OWNER_STORAGED 65535

struct dso_session;
struct dso_memory;
struct dso_counter;
struct dso_register;
struct dso_mutex;
struct dso_rwlock;
struct dso_semaphore;
struct dso_barrier;
struct dso_latch;
struct dso_condition;
struct dso_once;
struct dso_future;

/* ---- sessions ---- */

/*
 * struct dso_options - what dso_open() may be told. Zero means the default throughout: an
 * environment variable where one is named, else what the library finds out by itself.
 */
struct dso_options {
	const char *transport; /* "auto", "shm", "verbs", "roce", "tcp" (DSO_TRANSPORT; "auto") */
	const char *device;    /* the RDMA device to use, as ibv_devices shows it (DSO_DEVICE) */
	/* silence of storaged after which it is given up (DSO_TIMEOUT_MS; 3 s), without the time in
	 * which this process was given no processor to listen. It is three quarters of storaged's
	 * TTL (10 s) at most, however long it is said to be: behind its TTL storaged, and one that
	 * is started in its place, gives what the session held to others. A connection that is
	 * closed or refused ends the session at once. */
	int64_t timeout;
	/* how to wait for an answer (DSO_POLL; "adaptive"): "adaptive" spins for about a
		 * round trip, then sleeps; "busy" spins, the lowest latency and a whole processor
		 * while waiting; "block" sleeps at once */
	const char *poll;
	const char *io; /* transport tcp: "auto", "io_uring", "poll" (DSO_IO; "auto") */
	/* the whole of dso_open(), name resolution and every transport included
	 * (DSO_OPEN_TIMEOUT_MS; ten times the timeout, but 10 s at most, or the timeout where that
	 * is longer) */
	int64_t open_timeout;
	/*
	 * For how long what the session holds is kept after it was lost, that is ended without
	 * dso_close(): by a broken connection, by silence, by the process's end. Its memory is
	 * fenced at once all the same. For who holds a lock over something outside that goes on for
	 * a while when the connection is gone, a command for one. 0: given back at once. An
	 * embedded store is not lost.
	 */
	int64_t linger;
	/* 1: a session that was lost is renewed by itself, as by dso_renew(), where an operation
	 * meets it that is safe to repeat: opening, describing and listing objects, dso_holds(),
	 * dso_ping(), dso_server_stat(), dso_transport_stat(), reading memory, registers and
	 * counters. The operation is then tried once more. Not while the session holds something:
	 * then dso_renew() has to tell what was lost. 0: never by itself */
	uint64_t renew;
	uint64_t reserved[5]; /* zero */
};

/*
 * dso_open - begin a session with the storaged at @url. @url is dso://HOST[:PORT][/NAMESPACE],
 * dso+unix://PATH[?namespace=NAME], or embedded:[NAME] (a store inside this process, shared by its
 * sessions of the same NAME and gone with the last of them); NULL: DSO_URL, and where that is not
 * set storaged's default unix socket, then 127.0.0.1:7471. The default socket is used only where
 * it, its directory and the process that listens there belong to root or to this process's user.
 * @options may be NULL. On success *ret_session is to be given back with dso_close(). With "auto"
 * each transport that storaged offers has a share of the time, and tcp always one. Blocks for at
 * most the open_timeout. Returns 0, -EINVAL (a malformed URL or option; a transport for an embedded
 * store; a linger longer than this storaged allows, 60 s unless its setting linger-max says
 * otherwise), -ECONNREFUSED (nobody listens there, or storaged shuts down), -ECONNRESET (the
 * connection was closed before there was an answer, as by a storaged that has as many connections
 * as it may), -EHOSTUNREACH (the host's name has no address, or no way leads to it), -EAGAIN (its
 * name cannot be resolved now), -EACCES (storaged refuses this process a way to its memory, or
 * another process's socket lies where its own should), -ETIMEDOUT (no answer), -EPROTONOSUPPORT
 * (storaged speaks no version that this library does), -EPROTO (what answers there is not
 * storaged), -ENOENT (no such namespace), -EUSERS (storaged, or an embedded store, has as many
 * sessions as it may, all in all or of this user or address), -EOPNOTSUPP (the transport that was
 * asked for cannot be used here; the sentence says why), -EMFILE (this process has as many
 * descriptors as it may), -ENOMEM. The sentence is dso_error(NULL).
 */
int dso_open(const char *url, const struct dso_options *options, struct dso_session **ret_session);

/*
 * dso_close - end a session and free it. Every handle opened in it is freed with it.
 * Operations submitted and not reaped may or may not have been executed. NULL does nothing.
 */
void dso_close(struct dso_session *session);

/*
 * dso_interrupt - end a wait of @session with -ECANCELED: the one that another thread is in, or the
 * next one. The one function that any thread may call for a session in use; not from a signal
 * handler.
 */
void dso_interrupt(struct dso_session *session);

/*
 * dso_error - the sentence behind the last failure in @session: what failed, on what, why. With
 * NULL, the last failure of dso_open() in this thread. Never NULL; valid until the next call.
 */
const char *dso_error(const struct dso_session *session);

/*
 * dso_ping - measure a round trip on the control connection.
 * Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_ping(struct dso_session *session, int64_t *ret_round_trip);

/* What became of a transport when a session chose one. */
struct dso_transport_report {
	const char *name;
	int chosen;       /* 1 for the one in use */
	char reason[200]; /* why it is used or is not, a sentence */
};

/*
 * dso_transports - fill @reports (of @count_max) with every transport, in order of preference; an
 * embedded store has its own alone. With NULL, those of the last dso_open() in this thread, if it
 * failed; none where it never got so far.
 * Returns their number, also where it is more than @count_max. Does not block.
 */
size_t dso_transports(const struct dso_session *session, struct dso_transport_report *reports,
		      size_t count_max);

/* dso_transport - the name of the transport in use: "shm", "verbs", "roce", "tcp" or "embedded". */
const char *dso_transport(const struct dso_session *session);

/* dso_url - the URL that the session was opened with, or the default one that answered. */
const char *dso_url(const struct dso_session *session);

/* What storaged says of itself. */
struct dso_server_stat {
	uint64_t uptime; /* ns */
	uint64_t region_bytes;
	uint64_t region_used_bytes;
	uint64_t objects, objects_max;
	uint64_t sessions, sessions_max;
	uint64_t sessions_begun;
	uint64_t sessions_fenced; /* ended by silence */
	uint64_t sessions_lost;   /* ended by a disconnect */
	uint64_t protocol_errors; /* connections, queue pairs ended for what they sent */
	uint64_t operations;      /* executed by storaged itself (transport tcp) */
	int64_t session_ttl;      /* ns */
	char domain[16];          /* "cpu" or "device": who executes atomics */
	char domain_reason[128];  /* why that one; begins with "broken: " where its device is */
	char io[16];              /* "io_uring" or "poll"; of an embedded store "none" */
	char device[64];
	char version[32];
};

/*
 * dso_server_stat - ask storaged for its figures. One control round trip.
 * Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_server_stat(struct dso_session *session, struct dso_server_stat *ret_stat);

#define DSO_FIGURES_MAX 96

/* Something that was counted. */
struct dso_figure {
	char name[40]; /* "packets_sent", "dropped_icrc", "window_bytes", "sessions_ended_silent" */
	uint32_t
		at_storaged; /* 1: by storaged, for all of its sessions since it started; 0: here */
	uint32_t reserved;   /* zero */
	uint64_t value;
};

/*
 * dso_transport_stat - what this session's transport and storaged counted: of packets those sent,
 * received, sent again, refused and dropped, by cause, and the window and round trip at this
 * moment, where transport roce is used or offered; and at storaged how many sessions ended for each
 * reason. The reason of a single session is in storaged's log. Up to @count_max figures,
 * DSO_FIGURES_MAX at most. One control round trip. Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -EPROTO.
 */
int dso_transport_stat(struct dso_session *session, struct dso_figure *figures, size_t count_max,
		       size_t *ret_count);

/* ---- objects by name ---- */

enum dso_type {
	DSO_MEMORY = 1,
	DSO_COUNTER = 2,
	DSO_REGISTER = 3,
	DSO_MUTEX = 4,
	DSO_RWLOCK = 5,
	DSO_SEMAPHORE = 6,
	DSO_BARRIER = 7,
	DSO_LATCH = 8,
	DSO_CONDITION = 9,
	DSO_ONCE = 10,
	DSO_FUTURE = 11
};

struct dso_stat {
	enum dso_type type;
	uint32_t generation;    /* distinguishes objects that had the same name */
	uint64_t offset;        /* in the region */
	uint64_t length_bytes;  /* in the region, with its header */
	uint32_t opens;         /* handles to it that are open, of all sessions */
	uint64_t parameters[4]; /* as created; their meaning is the type's */
	char name[DSO_NAME_BYTES_MAX + 1];
};

/* dso_type_name - the name of the type in small letters, "memory" to "future"; "unknown" for any
 * other number. */
const char *dso_type_name(enum dso_type type);

/*
 * dso_object_delete - delete the object called @name. Behind its return this session's handles to
 * it, and those of every session of the same embedded store, return -ESTALE. Another session's do
 * so once its library has taken storaged's notice, which comes without being asked for; what that
 * session calls before is still executed, in memory that nobody else is given before every session
 * that had the object open has acknowledged or is gone. So an operation never reaches the next
 * object of that name or place. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL (the name is empty or NULL), -ENAMETOOLONG,
 * -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -ECONNRESET (the session ended before the answer came: it may
 * have been deleted or not).
 */
int dso_object_delete(struct dso_session *session, const char *name);

/*
 * dso_object_stat - describe the object called @name. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL (the name is empty or NULL), -ENAMETOOLONG,
 * -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_object_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat);

/*
 * dso_list - call @each with every object of the namespace, in no order, until it returns other
 * than 0. Objects that come or go meanwhile may be missed. One control round trip a page. @each
 * must not use the session. Returns 0, what @each returned, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -EPROTO.
 */
int dso_list(struct dso_session *session, int (*each)(const struct dso_stat *stat, void *context),
	     void *context);

/* What a session may be to an object that it holds. */
enum dso_role {
	DSO_HOLDER = 0, /* has a mutex, or permits; does a once; has promised a future */
	DSO_WRITER = 1, /* of a rwlock, still waiting for readers or not; is writing a register */
	DSO_READER = 2  /* of a rwlock */
};

/* What one session has of one object. */
struct dso_hold {
	enum dso_type type;
	enum dso_role role;
	uint32_t generation; /* of the object */
	uint32_t owner;      /* the session's owner number, as of dso_mutex_holder() */
	uint32_t count;      /* permits of a semaphore, else 1 */
	uint32_t reserved;   /* zero */
	/* of a mutex and of a rwlock's writer the fencing token; else a number that stays the same
	 * while it is held, of several permits the largest */
	uint64_t token;
	int64_t held_min; /* ns: it has had it without a break for so long at least, */
	int64_t held_max; /* and no longer than this; DSO_FOREVER: that is not known */
	/*
	 * "pid 4711" of a client on storaged's unix socket, or "192.0.2.7:40312". Behind it "
	 * (lost)": its session is over, but its process has the memory mapped still; " (lingers)":
	 * it asked that what it holds be kept for a while; " (ended)": it is being taken back.
	 */
	char who[64];
	char name[DSO_NAME_BYTES_MAX + 1];
};

/*
 * dso_holds - call @each with every hold in the namespace, an object after the other, until it
 * returns other than 0: locked mutexes, writers and readers of rwlocks, permits, onces that were
 * begun and are not done, futures that were promised and are not set, registers in the middle of a
 * write. What is taken or given back meanwhile may be missed. Since when is what storaged saw in
 * passing: it looks now and then, so that the two times of a hold are some heartbeats apart; of
 * several permits they are those of the oldest. An embedded store does not look. One control round
 * trip a page, and nothing on the path of the holders. @each must not use the session. Returns 0,
 * what @each returned, -EOPNOTSUPP (storaged is older than this function), -EIO (its RDMA device
 * failed), -ENOMEM, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_holds(struct dso_session *session, int (*each)(const struct dso_hold *hold, void *context),
	      void *context);

/* ---- renewal ---- */

/* What a handle lost with its session. */
struct dso_loss {
	enum dso_type type;
	/* of what the handle held: a mutex, a rwlock as reader or writer, permits, a once that was
	 * begun, a future that was promised */
	enum dso_role role;
	uint32_t count; /* of permits, else 1; 0: it held nothing */
	/* of the handle from now on: 0, or -ESTALE (the object was deleted or made anew) */
	int32_t status;
	char name[DSO_NAME_BYTES_MAX + 1];
};

/*
 * dso_renew - begin a new session under the handles of @session, if that is over. Every handle
 * stays where it is and is opened again; one whose object was deleted meanwhile, or made anew as by
 * a restarted storaged, is -ESTALE from then on. What the handles held is lost, and may be
 * another's by now: @each (may be NULL) is called for every handle that held something or became
 * stale, and must not use the session. It is called also where the renewal fails later: what it was
 * told of is lost. Operations submitted get their outcomes before that, and can be reaped
 * afterwards. The descriptor of dso_fd() stays the same, to be armed anew.
 *
 * To learn whether the session is over, storaged is asked. So a function that is frozen between two
 * calls begins each call with it:
 *
 *	int r = dso_renew(session, note_loss, &state);
 *	if (r) { dso_close(session); ... open another ... }
 *
 * and does what it does under a lock between taking and giving it back in one call. Blocks as
 * dso_open() does.
 * Returns 0 (also where the session is not over, and nothing was done), what dso_open() returns
 * (nothing was begun, and it can be called again), or -EMFILE (dso_fd() cannot be kept).
 */
int dso_renew(struct dso_session *session, int (*each)(const struct dso_loss *loss, void *context),
	      void *context);

/* ---- counter: an int64 ---- */

struct dso_counter_params {
	int64_t initial; /* the value at creation */
	/* words that additions spread over, 1 to 64; 0: any (1 at creation). With more than
		 * one, adding scales with contention and reading costs as many atomics */
	uint32_t stripes;
	uint32_t reserved; /* zero */
};

/*
 * dso_counter_open - open the counter @name, created when there is none. @params NULL: whatever
 * exists, else the defaults. One control round trip. *ret_counter is given back with
 * dso_counter_close(). Returns 0, -EINVAL (the name is empty or NULL; a parameter is out of range,
 * or other than the existing object's: of a counter the stripes alone; a reserved one is not zero),
 * -ENAMETOOLONG, -EEXIST (an object of another type has that name), -ENOSPC (the arena is full),
 * -ENFILE (the namespace has as many objects as it may), -EMFILE (the session has as many objects
 * open as it may), -EIO (storaged has no memory of its own for it), -ECONNRESET (the connection was
 * lost before the answer came: it may have been created or not), -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT,
 * -EPROTO, -ENOMEM.
 */
int dso_counter_open(struct dso_session *session, const char *name,
		     const struct dso_counter_params *params, struct dso_counter **ret_counter);

/* dso_counter_close - give a handle back; waits for what was submitted in the session. The counter
 * stays. NULL does nothing. */
void dso_counter_close(struct dso_counter *counter);

/*
 * dso_counter_add - add @delta to the counter, atomically, on its storage host.
 * One one-sided fetch-and-add. On success *ret_before (may be NULL) holds the value before the
 * addition; of a striped counter, that of the stripe added to. Overflow wraps.
 * Returns 0, -ESTALE (the counter was deleted), -ECONNRESET (connection lost before the outcome was
 * known: the addition may or may not have happened; it is never retried), -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_add(struct dso_counter *counter, int64_t delta, int64_t *ret_before);

/*
 * dso_counter_get - read the counter. One fetch-and-add of 0 a stripe, in one round trip; of a
 * striped counter the sum need not be a value that it had at one instant, but counts every addition
 * that ended before the call. Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_get(struct dso_counter *counter, int64_t *ret_value);

/*
 * dso_counter_set - give the counter @value. Compare-and-swap until it holds.
 * Returns 0, -EOPNOTSUPP (the counter is striped), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN,
 * -ETIMEDOUT (others changed it all the time for longer than the session's timeout).
 */
int dso_counter_set(struct dso_counter *counter, int64_t value);

/*
 * dso_counter_exchange - give the counter @value and learn what it was before. Errors as for set.
 */
int dso_counter_exchange(struct dso_counter *counter, int64_t value, int64_t *ret_before);

/*
 * dso_counter_cas - give the counter @value if it holds @expected. One one-sided compare-and-swap.
 * *ret_before holds the value before: it was swapped if that equals @expected.
 * Returns 0 (also where it was not swapped), -EOPNOTSUPP (the counter is striped), -ESTALE,
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_counter_cas(struct dso_counter *counter, int64_t expected, int64_t value,
		    int64_t *ret_before);

/* ---- register: bytes with a version ---- */

struct dso_register_params {
	/* 1 to 64 MiB; 0: any (64 KiB at creation). Takes twice that of memory */
	uint64_t capacity_bytes;
	uint64_t reserved; /* zero */
};

/*
 * dso_register_open - open the register @name, created empty at version 0 when there is none.
 * *ret_register is given back with dso_register_close(). Errors as for dso_counter_open().
 */
int dso_register_open(struct dso_session *session, const char *name,
		      const struct dso_register_params *params, struct dso_register **ret_register);

/* dso_register_close - give a handle back. The register stays. NULL does nothing. */
void dso_register_close(struct dso_register *reg);

/*
 * dso_register_get - read one whole version into @buffer of @buffer_bytes. One round trip where the
 * version is still the one last seen by this handle or follows it by two, and the value no longer
 * than the last one read or 4 KiB, and than 64 KiB; else two, and one more for each further 4 MiB.
 * *ret_length is its length, *ret_version its number (0: never set). Both are also set when it
 * returns -EMSGSIZE (the value is longer than @buffer_bytes; a @buffer of NULL has none). On
 * failure the contents of @buffer are undefined. Returns 0, -EMSGSIZE, -ESTALE, -ETIMEDOUT (writers
 * replaced it faster than it could be read), -EBADMSG (what lies there is not what a writer wrote),
 * -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_get(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		     size_t *ret_length, uint64_t *ret_version);

/*
 * dso_register_set - replace the value by @length_bytes of @value. Two round trips; one more where
 * another session has set it since this handle last looked, and for each further 4 MiB. Readers see
 * the old value or the new one, never a mixture; a writer that dies leaves the old one.
 * *ret_version is the new one's number.
 * Returns 0, -EMSGSIZE (longer than the capacity), -EOVERFLOW (it is at DSO_REGISTER_VERSION_MAX,
 * and stays there), -ESTALE, -ETIMEDOUT (other writers were at it for longer than the session's
 * timeout), -ECONNRESET (it may or may not have been set), -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_set(struct dso_register *reg, const void *value, size_t length_bytes,
		     uint64_t *ret_version);

/*
 * dso_register_set_if_version - as set, if the version is still @expected (0: never set). A number
 * beyond DSO_REGISTER_VERSION_MAX is no version, and never the register's.
 * Returns 0, -EAGAIN (the version is another; *ret_version, also set then, is that), and as set.
 */
int dso_register_set_if_version(struct dso_register *reg, uint64_t expected, const void *value,
				size_t length_bytes, uint64_t *ret_version);

/*
 * dso_register_exchange - as set, and read the value replaced into @buffer, as get does. When that
 * is longer than @buffer_bytes nothing is changed and -EMSGSIZE is returned, with the length and
 * version of the value that is there.
 */
int dso_register_exchange(struct dso_register *reg, const void *value, size_t length_bytes,
			  void *buffer, size_t buffer_bytes, size_t *ret_length,
			  uint64_t *ret_version);

/*
 * dso_register_version - the number of the current version, 0 if never set. One fetch-and-add of 0.
 * Returns 0, -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_version(struct dso_register *reg, uint64_t *ret_version);

/*
 * dso_register_size - the length of the current value, 0 if never set. Errors as for
 * dso_register_get(), but for -EMSGSIZE.
 */
int dso_register_size(struct dso_register *reg, size_t *ret_length);

/* dso_register_capacity - the bytes that a value may have. Does not block. */
uint64_t dso_register_capacity(const struct dso_register *reg);

/* ---- memory of one's own ---- */

struct dso_memory_params {
	uint64_t size_bytes; /* 1 to 2^40; 0: any (4096 at creation) */
	uint64_t reserved;   /* zero */
};

/*
 * dso_memory_open - open @name, created zeroed when there is none. *ret_memory is given back with
 * dso_memory_close(). Errors as for dso_counter_open().
 */
int dso_memory_open(struct dso_session *session, const char *name,
		    const struct dso_memory_params *params, struct dso_memory **ret_memory);

/* dso_memory_close - give a handle back. The memory stays. NULL does nothing. */
void dso_memory_close(struct dso_memory *memory);

/* dso_memory_size - its bytes. Does not block. */
uint64_t dso_memory_size(const struct dso_memory *memory);

/*
 * dso_memory_read - copy @length_bytes from @offset into @buffer. Not atomic, not even 8 bytes of
 * it: a READ is a hint, the result of an atomic is a fact. Returns 0, -ERANGE (outside the object),
 * -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_read(struct dso_memory *memory, uint64_t offset, void *buffer, size_t length_bytes);

/*
 * dso_memory_write - copy @length_bytes of @buffer to @offset. Not atomic; never use it on a word
 * that atomics change. Returns 0, -ERANGE (outside the object), -ESTALE, -ECONNRESET, -ENOTCONN,
 * -ESHUTDOWN.
 */
int dso_memory_write(struct dso_memory *memory, uint64_t offset, const void *buffer,
		     size_t length_bytes);

/*
 * dso_memory_cas - if the 8 bytes at @offset equal @expected, replace them by @value.
 * *ret_before is what they were. Returns 0 (also where nothing was replaced), -ERANGE (outside the
 * object), -EINVAL (@offset is no multiple of 8), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_cas(struct dso_memory *memory, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before);

/*
 * dso_memory_fetch_add - add @delta to the 8 bytes at @offset; *ret_before is what they were. With
 * a @delta of 0 it is an atomic load. Errors as for cas.
 */
int dso_memory_fetch_add(struct dso_memory *memory, uint64_t offset, uint64_t delta,
			 uint64_t *ret_before);

/*
 * dso_memory_wait - sleep until somebody wakes the word at @offset, if it still has the value
 * @expected: futex(2) on memory of another host. It spins for about a control round trip before it
 * sleeps at storaged. Afterwards look at the word by fetch_add of 0: being woken says nothing of
 * its value, and it may happen without a wake, as when a session ended that had the memory open.
 * Changes of the word wake nobody by themselves. @timeout: nanoseconds, DSO_NOWAIT, DSO_FOREVER.
 * Returns 0 (woken, or the word had another value), -ETIMEDOUT (not woken in time),
 * -ECANCELED (dso_interrupt()), -ERANGE (outside the object), -EINVAL (@offset is no multiple of 8,
 * or the timeout negative), -EOPNOTSUPP (storaged is older than this library).
 */
int dso_memory_wait(struct dso_memory *memory, uint64_t offset, uint64_t expected, int64_t timeout);

/*
 * dso_memory_wake - wake up to @count of those that sleep on the word at @offset, the longest
 * sleeping first; UINT32_MAX: all. To be called after the word was changed. *ret_woken is how many
 * there were; where it is not wanted (NULL) storaged is not waited for. Returns 0, -ERANGE (outside
 * the object), -EINVAL (@offset is no multiple of 8), -EOPNOTSUPP (storaged is older than this
 * library).
 */
int dso_memory_wake(struct dso_memory *memory, uint64_t offset, uint32_t count,
		    uint32_t *ret_woken);

/* ---- coordination ---- */

/*
 * Locks and the like that outlive the functions that use them. A holder is a session. When a
 * session ends, for whatever reason, storaged first makes sure that nothing of it can land any
 * more, and then takes back what it held and wakes who waits for it: within the TTL of silence, or
 * at once when its process ended and the connection closed. Over transport shm a process that is
 * frozen keeps what it holds until it ends: the kernel offers no way to take a mapping back.
 *
 * A storaged that is started again, at the same unix socket or the same address, begins with an
 * empty arena. Sessions of the one before may not know yet that it ended, and what a lock of theirs
 * guards outside of the store is theirs until they do. So until the TTL, and their linger, are over
 * storaged itself holds every mutex, rwlock, permit and once that is made, under the owner number
 * DSO_OWNER_STORAGED, and dso_holds() says so. Then the first to come has it, as if it were new:
 * nobody is known to have held it, and no -EOWNERDEAD is told. Its fencing token is larger than
 * those of all holders before.
 *
 * A handle that is closed gives back what it holds. Two handles of a session are one holder, and
 * each gives back what was taken through it.
 *
 * Fairness: the first session to try takes what has become free, whether it has just come or
 * waited. Waiters that have parked are woken in the order in which they parked. Where others come
 * again and again, a mutex is handed every few milliseconds to the session that has been parked the
 * longest. A session that does not take up what it was handed, because it is frozen or gone, loses
 * it to the next one: after four of its round trips, of 100 ms at least and 1 s at most.
 *
 * Errors that any call which waits can return, beside its own:
 * 	-ETIMEDOUT   not in time (DSO_NOWAIT: not at once)
 * 	-ECANCELED   dso_interrupt()
 * 	-EINVAL      a negative timeout other than DSO_FOREVER
 * 	-EOPNOTSUPP  it would have had to wait, and storaged is older than this library
 */

/* Parameters of a mutex. NULL stands for the defaults, here and for every type. */
struct dso_mutex_params {
	uint64_t reserved; /* zero */
};

/*
 * dso_mutex_open - open the mutex @name, creating it when there is none. Errors as for
 * dso_counter_open().
 */
int dso_mutex_open(struct dso_session *session, const char *name,
		   const struct dso_mutex_params *params, struct dso_mutex **ret_mutex);
/* dso_mutex_close - give the mutex back, unlocked, and free it. NULL does nothing. */
void dso_mutex_close(struct dso_mutex *mutex);

/*
 * dso_mutex_lock - lock. Without contention one compare-and-swap. *ret_token is the fencing token,
 * to be handed to other systems that refuse smaller ones than they have seen: 64 bits, larger than
 * that of every holder before of a mutex of that name at that storaged. So it is after the mutex
 * was deleted and made anew, and after storaged was restarted. Tokens grow by one with each holder,
 * and by more than one where the mutex was made anew, or was given to one who waited and did not
 * come for it; none is larger than INT64_MAX. Waits at most @timeout: a call that was not in time
 * found it locked, or given to another session that waits for it. A death is told as by a robust
 * mutex of POSIX. Returns 0, -EOWNERDEAD (locked, and *ret_token is set, but the holder before
 * ended while it had it: make good what it guards and call dso_mutex_consistent()),
 * -ENOTRECOVERABLE (such a one was unlocked without that; delete it), -EDEADLK (this session has it
 * locked).
 */
int dso_mutex_lock(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token);
/* dso_mutex_unlock - unlock, and wake one who waits. Returns 0, -EPERM (it is not locked by this
 * handle, whether it was deleted or not). */
int dso_mutex_unlock(struct dso_mutex *mutex);
/* dso_mutex_consistent - what the mutex guards is whole again, after -EOWNERDEAD. Returns 0,
 * -EINVAL (it is not locked by this handle, or nobody died). */
int dso_mutex_consistent(struct dso_mutex *mutex);
/*
 * dso_mutex_force_unlock - take the mutex from its holder, if the newest token is @token still. The
 * next one has -EOWNERDEAD; the holder before, who may be at it still, has -EPERM when it unlocks:
 * only a fencing token keeps what it does from having an effect elsewhere. Returns 0, -EAGAIN (it
 * is not held with that token).
 */
int dso_mutex_force_unlock(struct dso_mutex *mutex, uint64_t token);
/* dso_mutex_holder - who has it at this moment: the owner number of a session, 0 for nobody, and
 * the newest token. */
int dso_mutex_holder(struct dso_mutex *mutex, uint32_t *ret_session, uint64_t *ret_token);

struct dso_rwlock_params {
	uint32_t readers;  /* at a time, 1 to DSO_RWLOCK_READERS_MAX; 0 at creation: 64 */
	uint32_t reserved; /* zero */
};

/* dso_rwlock_open - open the readers-writer lock @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_rwlock_open(struct dso_session *session, const char *name,
		    const struct dso_rwlock_params *params, struct dso_rwlock **ret_rwlock);
/* dso_rwlock_close - give the lock back, unlocked, and free it. NULL does nothing. */
void dso_rwlock_close(struct dso_rwlock *rwlock);

/*
 * dso_rwlock_rdlock - lock for reading. One round trip without a writer. A reader that comes after
 * a writer waits for it, though others are reading still. Where more than the lock's readers want
 * to read, one too many waits for one of those who are in: give it enough. A session has the lock
 * once: where it has it by another handle, for reading or for writing, either lock fails with
 * -EDEADLK. Returns as dso_mutex_lock(), -EOWNERDEAD (locked, but a writer ended while it had it,
 * and no writer has said yet that it is consistent).
 */
int dso_rwlock_rdlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_wrlock - lock for writing: wait for the writer before, then for all readers.
 * Returns as dso_mutex_lock(). */
int dso_rwlock_wrlock(struct dso_rwlock *rwlock, int64_t timeout);
/* dso_rwlock_unlock - unlock, either way. Returns 0, -EPERM (it is not locked by this handle). */
int dso_rwlock_unlock(struct dso_rwlock *rwlock);
/* dso_rwlock_consistent - as dso_mutex_consistent(), by a writer. Returns as
 * dso_mutex_consistent(). */
int dso_rwlock_consistent(struct dso_rwlock *rwlock);

struct dso_semaphore_params {
	/* 1 to DSO_SEMAPHORE_PERMITS_MAX; 0: those of the semaphore that is there */
	uint32_t permits;
	uint32_t reserved; /* zero */
};

/* dso_semaphore_open - open the semaphore @name; to create it, say how many permits it has.
 * Errors as for dso_counter_open(). */
int dso_semaphore_open(struct dso_session *session, const char *name,
		       const struct dso_semaphore_params *params,
		       struct dso_semaphore **ret_semaphore);
/* dso_semaphore_close - give the permits of this handle back, and free it. NULL does nothing. */
void dso_semaphore_close(struct dso_semaphore *semaphore);
/*
 * dso_semaphore_acquire - take @count permits, all or none. Permits belong to who took them, who
 * alone can release them, and come back when its session ends. (To signal to another, take a
 * condition, a latch or a future.) Those who wait are served in the order in which they came, as
 * far as there is enough for them: one who wants several permits is passed by, but not for long.
 * Behind 64 releases it has a turn, in which the permits that come back are kept for it: sessions
 * that hold none get none meanwhile. Where its session is frozen, its turn is over a second later.
 * Returns 0, -EINVAL (@count is 0, or more than there are).
 */
int dso_semaphore_acquire(struct dso_semaphore *semaphore, uint32_t count, int64_t timeout);
/* dso_semaphore_release - give @count permits back. Returns 0, -EPERM (this handle has fewer),
 * -EINVAL (@count is 0). */
int dso_semaphore_release(struct dso_semaphore *semaphore, uint32_t count);
/* dso_semaphore_available - how many permits nobody has at this moment. */
int dso_semaphore_available(struct dso_semaphore *semaphore, uint32_t *ret_count);

struct dso_barrier_params {
	uint32_t parties;  /* 1 to DSO_BARRIER_PARTIES_MAX; 0: those of the barrier that is there */
	uint32_t reserved; /* zero */
};

/*
 * dso_barrier_open - open the barrier @name; to create it, say how many parties it has. A session
 * that has the barrier open is no party yet: it becomes one with its first dso_barrier_wait(), and
 * is one until it closes the barrier. When the session of a party ends without dso_close(), the
 * barrier breaks. Errors as for dso_counter_open().
 */
int dso_barrier_open(struct dso_session *session, const char *name,
		     const struct dso_barrier_params *params, struct dso_barrier **ret_barrier);
/* dso_barrier_close - free it; the session is no party any more. NULL does nothing. */
void dso_barrier_close(struct dso_barrier *barrier);
/*
 * dso_barrier_wait - wait until as many have come as there are parties; then all go on, and the
 * barrier is as new. *ret_last is 1 for the last to come, one a round, else 0. Who leaves without
 * the others, with -ETIMEDOUT or -ECANCELED, breaks it. More sessions than parties may wait at a
 * barrier: those who are too many for one round are counted for the next. A session that ends
 * before its wait has made it a party breaks nothing, and the others wait for another. Returns 0,
 * -ENOTRECOVERABLE (it is broken, or was reset; or all came, and behind that seven rounds more have
 * ended, one of them by a reset, before this party looked).
 */
int dso_barrier_wait(struct dso_barrier *barrier, int64_t timeout, int *ret_last);
/* dso_barrier_reset - make it as new. Who waits there gets -ENOTRECOVERABLE, however late it
 * looks. */
int dso_barrier_reset(struct dso_barrier *barrier);
/* dso_barrier_stat - its parties, how many have come in this round, and whether it is broken. */
int dso_barrier_stat(struct dso_barrier *barrier, uint32_t *ret_parties, uint32_t *ret_waiting,
		     int *ret_broken);

struct dso_latch_params {
	int64_t count;     /* that it begins with, at least 1; 0: that of the latch that is there */
	uint64_t reserved; /* zero */
};

/* dso_latch_open - open the latch @name; to create it, say what count it begins with. Errors as for
 * dso_counter_open(). */
int dso_latch_open(struct dso_session *session, const char *name,
		   const struct dso_latch_params *params, struct dso_latch **ret_latch);
/* dso_latch_close - free it. NULL does nothing. */
void dso_latch_close(struct dso_latch *latch);
/* dso_latch_count_down - take @n off the count, which stops at 0, where all who wait go on.
 * *ret_count is what is left. Returns 0, -EINVAL (@n is less than 1). */
int dso_latch_count_down(struct dso_latch *latch, int64_t n, int64_t *ret_count);
/* dso_latch_wait - wait until the count is 0. */
int dso_latch_wait(struct dso_latch *latch, int64_t timeout);
/* dso_latch_count - what is left at this moment. */
int dso_latch_count(struct dso_latch *latch, int64_t *ret_count);

struct dso_condition_params {
	uint64_t reserved; /* zero */
};

/* dso_condition_open - open the condition variable @name, creating it when there is none. Errors
 * as for dso_counter_open(). */
int dso_condition_open(struct dso_session *session, const char *name,
		       const struct dso_condition_params *params,
		       struct dso_condition **ret_condition);
/* dso_condition_close - free it. NULL does nothing. */
void dso_condition_close(struct dso_condition *condition);
/*
 * dso_condition_wait - unlock @mutex, which is locked by this handle, wait for a signal, and lock
 * it again, however long that takes. It may return without a signal: look again at what is waited
 * for. Returns 0, -ETIMEDOUT, -ECANCELED, and what dso_mutex_lock() returns, which comes first:
 * also with -EOWNERDEAD, -ETIMEDOUT and -ECANCELED the mutex is locked; -EPERM (@mutex is not
 * locked by this handle), -EINVAL (it is another session's).
 */
int dso_condition_wait(struct dso_condition *condition, struct dso_mutex *mutex, int64_t timeout);
/* dso_condition_signal - wake one who waits. */
int dso_condition_signal(struct dso_condition *condition);
/* dso_condition_broadcast - wake all who wait. */
int dso_condition_broadcast(struct dso_condition *condition);

struct dso_once_params {
	uint64_t reserved; /* zero */
};

/* dso_once_open - open the once @name, creating it when there is none. Errors as for
 * dso_counter_open(). */
int dso_once_open(struct dso_session *session, const char *name,
		  const struct dso_once_params *params, struct dso_once **ret_once);
/* dso_once_close - free it. What was begun and not done is for the next one to do. NULL does
 * nothing. */
void dso_once_close(struct dso_once *once);
/*
 * dso_once_begin - *ret_mine is 1 for the one who is to do it now, and 0 when it was done; while
 * another is at it, it waits. When that one's session ends before dso_once_done(), the next is told
 * to do it. Returns 0, -EDEADLK (this session is at it).
 */
int dso_once_begin(struct dso_once *once, int64_t timeout, int *ret_mine);
/* dso_once_done - it was done, for ever. Returns 0, -EPERM (this handle has not begun). */
int dso_once_done(struct dso_once *once);
/* dso_once_abandon - it could not be done: the next one is to do it. Returns as dso_once_done(). */
int dso_once_abandon(struct dso_once *once);

struct dso_future_params {
	/* of its value, 1 to DSO_FUTURE_BYTES_MAX; 0: undecided, see below */
	uint64_t capacity_bytes;
	uint64_t reserved; /* zero */
};

/*
 * dso_future_open - open the future @name, creating it when there is none. The capacity is decided
 * by the first who opens it with one, whoever created it; as long as it is undecided it is 4096,
 * and setting a longer value decides. A handle that was opened before a capacity was decided may
 * still set as many bytes as it was then, and everybody reads them. So who waits for a future opens
 * it without. Errors as for dso_counter_open().
 */
int dso_future_open(struct dso_session *session, const char *name,
		    const struct dso_future_params *params, struct dso_future **ret_future);
/* dso_future_close - free it. What was promised and not set is a broken promise. NULL does
 * nothing. */
void dso_future_close(struct dso_future *future);
/*
 * dso_future_promise - say that this session will set it. When the session ends before it did, the
 * promise is broken for ever: who gets has -EOWNERDEAD at once, and a new one takes deleting it.
 * Returns 0 (also where this handle has promised it), -EALREADY (it was set, or another session has
 * promised it, or broken a promise), -EDEADLK (this session has promised it by another handle).
 */
int dso_future_promise(struct dso_future *future);
/*
 * dso_future_set - set the value, for ever, and wake who waits. One control round trip where it
 * decides the capacity. The first one wins. Returns 0, -EALREADY (it was set before, or another
 * session has promised it, or broken a promise), -EDEADLK (this session has promised it by another
 * handle), -EMSGSIZE (more than the capacity), and where it decides also -ENOSPC, -ENFILE, -EMFILE,
 * -ETIMEDOUT, -ENOMEM, as dso_counter_open().
 */
int dso_future_set(struct dso_future *future, const void *value, size_t length_bytes);
/* dso_future_set_error - set it to an error, of which @sentence tells, which may be empty (NULL:
 * it is). It is cut at the capacity, if that was decided. Returns as dso_future_set(). */
int dso_future_set_error(struct dso_future *future, const char *sentence);
/*
 * dso_future_get - wait until it is set, and read the value. One control round trip more where the
 * value is longer than 4096 bytes and this handle was opened before that was decided. Returns 0,
 * -EMSGSIZE (the buffer is too small; *ret_length, also set then, is what it takes), -EREMOTEIO (it
 * was set to an error; dso_error() has its sentence, or the first 1024 bytes of it at least),
 * -EOWNERDEAD (the promise was broken), -EBADMSG (what lies there was never set), -ENOMEM (there is
 * none for the sentence).
 */
int dso_future_get(struct dso_future *future, void *buffer, size_t buffer_bytes, int64_t timeout,
		   size_t *ret_length);
/* dso_future_is_done - whether a get would not wait: it was set, to a value or an error, or its
 * promise was broken. */
int dso_future_is_done(struct dso_future *future, int *ret_done);

/* ---- the asynchronous form ---- */

/*
 * Each one-sided verb has a twin that takes a @tag and returns at once. Operations of a session are
 * executed in the order of their submission and complete in that order. They may leave the process
 * only at dso_flush(), which rings the doorbell once for all of them. Buffers belong to the
 * operation until its completion was reaped. Besides the errors of the verb that are known at once
 * (-ERANGE, -EINVAL, -ESTALE, -ENOTCONN, -ESHUTDOWN), each returns -EAGAIN (DSO_OUTSTANDING_MAX are
 * submitted and not yet reaped: flush and reap).
 */
#define DSO_SUBMIT_BYTES_MAX 65536

struct dso_completion {
	uint64_t tag;
	int32_t status;    /* 0 or a negative errno, as of the verb */
	uint32_t reserved; /* zero */
	uint64_t value;    /* atomics: the value before */
};

/* dso_memory_read_submit - dso_memory_read(), asynchronous. Returns also -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (0 bytes, too). */
int dso_memory_read_submit(struct dso_memory *memory, uint64_t offset, void *buffer,
			   size_t length_bytes, uint64_t tag);
/* dso_memory_write_submit - dso_memory_write(), asynchronous. Returns also -EMSGSIZE (more than
 * DSO_SUBMIT_BYTES_MAX), -ERANGE (0 bytes, too). */
int dso_memory_write_submit(struct dso_memory *memory, uint64_t offset, const void *buffer,
			    size_t length_bytes, uint64_t tag);
/* dso_memory_cas_submit - dso_memory_cas(), asynchronous. */
int dso_memory_cas_submit(struct dso_memory *memory, uint64_t offset, uint64_t expected,
			  uint64_t value, uint64_t tag);
/* dso_memory_fetch_add_submit - dso_memory_fetch_add(), asynchronous. */
int dso_memory_fetch_add_submit(struct dso_memory *memory, uint64_t offset, uint64_t delta,
				uint64_t tag);
/* dso_counter_add_submit - dso_counter_add(), asynchronous. */
int dso_counter_add_submit(struct dso_counter *counter, int64_t delta, uint64_t tag);
/* dso_counter_cas_submit - dso_counter_cas(), asynchronous. */
int dso_counter_cas_submit(struct dso_counter *counter, int64_t expected, int64_t value,
			   uint64_t tag);

/*
 * dso_flush - ring the doorbell: start everything submitted. May block, for at most the session's
 * timeout, where the connection takes no more. Returns 0, -ENOTCONN (the connection is lost:
 * dso_reap() has the outcomes).
 */
int dso_flush(struct dso_session *session);

/*
 * dso_reap - take up to @count_max completions, oldest first, into @completions. Where none is
 * there yet it flushes, and waits until there is at least one, for at most @timeout (DSO_NOWAIT,
 * DSO_FOREVER); also DSO_FOREVER ends when the connection is given up. *ret_count is 0 when nothing
 * is outstanding, and at least 1 else. Returns 0, -ETIMEDOUT (nothing has completed in time),
 * -EINVAL (a negative timeout other than DSO_FOREVER), -ENOTCONN (in a forked child). Where
 * @count_max is 0 it takes nothing, flushes nothing and does not wait: 0, with a *ret_count of 0.
 */
int dso_reap(struct dso_session *session, struct dso_completion *completions, size_t count_max,
	     int64_t timeout, size_t *ret_count);

/*
 * dso_fd - a file descriptor that polls readable when dso_reap() may have something to return. It
 * belongs to the session and stays the same. It is armed by each call: reap with DSO_NOWAIT until
 * -ETIMEDOUT or a count of 0, call dso_fd(), then poll. Returns the descriptor, -EMFILE (the
 * process has as many descriptors as it may; it can be called again), -ENOTCONN (in a forked
 * child).
 */
int dso_fd(struct dso_session *session);

/* ---- the library ---- */

/* dso_version - the library's version, "MAJOR.MINOR.PATCH". */
const char *dso_version(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
