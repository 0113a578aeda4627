/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso/dso.h - libdso-rdma: shared memory of a storage host, for functions.
 *
 * A session connects to storaged and gives access to named objects in its memory: counters,
 * registers, and memory of one's own. Operations on them are one-sided (READ, WRITE,
 * compare-and-swap, fetch-and-add): over RDMA no code runs on the storage host.
 *
 * Returns: 0 or a negative errno. dso_error() is the sentence behind the last failure of a session.
 * Outputs are named ret_*, come last, may be NULL when not wanted and are not touched on failure.
 *
 * Threads: a session and every handle opened in it are used by one thread at a time; several
 * sessions may be open in a process, each used by a thread of its own at the same time. Another
 * thread may take a session over while nothing submitted is outstanding. A session does not survive
 * fork(): the child opens its own (over verbs only where its parent had none).
 *
 * Errors that any operation on an object can return, beside its own:
 *	-ESTALE      the object was deleted
 *	-ESHUTDOWN   storaged has ended the session (it was silent for longer than the TTL, or storaged
 *		     shuts down); nothing was done
 *	-ENOTCONN    the connection was lost before; nothing was done
 *	-ECONNRESET  the connection was lost, or storaged fell silent, while the operation was under way:
 *		     it may or may not have been executed. It is never repeated by the library.
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
#define DSO_NAME_BYTES_MAX      255           /* of an object's name */
#define DSO_COUNTER_STRIPES_MAX 64            /* of a counter */
#define DSO_REGISTER_BYTES_MAX  (64ULL << 20) /* capacity of a register */
#define DSO_OUTSTANDING_MAX     1024          /* submitted and not yet reaped, a session */

struct dso_session;
struct dso_memory;
struct dso_counter;
struct dso_register;

/* ---- sessions ---- */

/*
 * struct dso_options - what dso_open() may be told. Zero means the default throughout: an
 * environment variable where one is named, else what the library finds out by itself.
 */
struct dso_options {
	const char *transport; /* "auto", "shm", "verbs", "roce", "tcp" (DSO_TRANSPORT; "auto") */
	const char *device;    /* the RDMA device to use, as ibv_devices shows it (DSO_DEVICE) */
	int64_t timeout; /* silence of storaged after which it is given up (DSO_TIMEOUT_MS; 500 ms) */
	const char *
		poll; /* how to wait for an answer (DSO_POLL; "adaptive"): "adaptive" spins for about
				* a round trip, then sleeps; "busy" spins, the lowest latency and a whole
				* processor while waiting; "block" sleeps at once */
	const char *io;       /* transport tcp: "auto", "io_uring", "poll" (DSO_IO; "auto") */
	uint64_t reserved[8]; /* zero */
};

/*
 * dso_open - begin a session with the storaged at @url.
 * @url is dso://HOST[:PORT][/NAMESPACE], dso+unix://PATH[?namespace=NAME], or embedded:[NAME] (a
 * store inside this process, shared by its sessions of the same NAME and gone with the last of them);
 * NULL: DSO_URL, and where that is not set storaged's default unix socket, then 127.0.0.1:7471.
 * @options may be NULL. On success *ret_session is to be given back with dso_close().
 * Blocks for at most ten times the timeout. Returns 0, -EINVAL (a malformed URL or option),
 * -ECONNREFUSED (nobody listens there), -ETIMEDOUT (no answer), -EPROTONOSUPPORT (storaged speaks no
 * version that this library does), -EPROTO (what answers there is not storaged), -ENOENT (no such
 * namespace), -EUSERS (storaged has as many sessions as it may), -EOPNOTSUPP (the transport that was
 * asked for cannot be used here; the sentence says why), -ENOMEM. The sentence is dso_error(NULL).
 */
int dso_open(const char *url, const struct dso_options *options, struct dso_session **ret_session);

/*
 * dso_close - end a session and free it. Every handle opened in it is freed with it.
 * Operations submitted and not reaped may or may not have been executed. NULL does nothing.
 */
void dso_close(struct dso_session *session);

/*
 * dso_error - the sentence behind the last failure in @session: what failed, on what, why. With
 * NULL, the last failure of dso_open() in this thread. Never NULL; valid until the next call.
 */
const char *dso_error(const struct dso_session *session);

/*
 * dso_ping - measure a round trip on the control connection.
 * Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT (no answer within the session's timeout).
 */
int dso_ping(struct dso_session *session, int64_t *ret_round_trip);

/* What became of a transport when a session chose one. */
struct dso_transport_report {
	const char *name;
	int chosen;       /* 1 for the one in use */
	char reason[200]; /* why it is used or is not, a sentence */
};

/*
 * dso_transports - fill @reports (of @count_max) with every transport, in order of preference.
 * Returns their number. Does not block.
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
	uint64_t protocol_errors; /* connections dropped for what they sent */
	uint64_t operations;      /* executed by storaged itself (transport tcp) */
	int64_t session_ttl;      /* ns */
	char domain[16];          /* "cpu" or "device": who executes atomics */
	char domain_reason[128];
	char io[16]; /* "io_uring" or "poll" */
	char device[64];
	char version[32];
};

/*
 * dso_server_stat - ask storaged for its figures. One control round trip.
 * Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_server_stat(struct dso_session *session, struct dso_server_stat *ret_stat);

#define DSO_FIGURES_MAX 96

/* Something that was counted of the transport's packets. */
struct dso_figure {
	char name[40]; /* "packets_sent", "dropped_icrc", "window_bytes" */
	uint32_t
		at_storaged; /* 1: by storaged, for all of its sessions since it started; 0: here */
	uint32_t reserved;   /* zero */
	uint64_t value;
};

/*
 * dso_transport_stat - what this session's transport and storaged counted of packets: sent, received, sent
 * again, refused and dropped, by cause, and the window and round trip at this moment. Transport roce counts;
 * of the others there is nothing to tell. Up to @count_max figures, DSO_FIGURES_MAX at most. One control
 * round trip where storaged offers roce. Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_transport_stat(struct dso_session *session, struct dso_figure *figures, size_t count_max,
		       size_t *ret_count);

/* ---- objects by name ---- */

enum dso_type { DSO_MEMORY = 1, DSO_COUNTER = 2, DSO_REGISTER = 3 };

struct dso_stat {
	enum dso_type type;
	uint32_t generation;    /* distinguishes objects that had the same name */
	uint64_t offset;        /* in the region */
	uint64_t length_bytes;  /* in the region, with its header */
	uint32_t opens;         /* sessions that have it open */
	uint64_t parameters[4]; /* as created; their meaning is the type's */
	char name[DSO_NAME_BYTES_MAX + 1];
};

/* dso_type_name - "memory", "counter", "register"; "unknown" for any other number. */
const char *dso_type_name(enum dso_type type);

/*
 * dso_object_delete - delete the object called @name. Whoever has it open gets -ESTALE from then on;
 * its memory is used again when all of them have acknowledged or are gone. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL, -ENAMETOOLONG, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_object_delete(struct dso_session *session, const char *name);

/*
 * dso_object_stat - describe the object called @name. One control round trip.
 * Returns 0, -ENOENT (no such object), -EINVAL, -ENAMETOOLONG, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_object_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat);

/*
 * dso_list - call @each with every object of the namespace, in no order, until it returns other than
 * 0. Objects that come or go meanwhile may be missed. One control round trip a page. @each must not
 * use the session. Returns 0, what @each returned, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT.
 */
int dso_list(struct dso_session *session, int (*each)(const struct dso_stat *stat, void *context),
	     void *context);

/* ---- counter: an int64 ---- */

struct dso_counter_params {
	int64_t initial; /* the value at creation */
	uint32_t
		stripes; /* words that additions spread over, 1 to 64; 0: any (1 at creation). With more
			   * than one, adding scales with contention and reading costs as many atomics */
	uint32_t reserved; /* zero */
};

/*
 * dso_counter_open - open the counter @name, created when there is none.
 * @params NULL: whatever exists, else the defaults. One control round trip. *ret_counter is given
 * back with dso_counter_close(). Returns 0, -EINVAL (the name; a parameter out of range or other than
 * the existing counter's), -ENAMETOOLONG, -EEXIST (an object of another type has that name), -ENOSPC
 * (the arena is full), -ENFILE (the namespace has as many objects as it may), -EMFILE (the session has
 * as many objects open as it may), -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -ENOMEM.
 */
int dso_counter_open(struct dso_session *session, const char *name,
		     const struct dso_counter_params *params, struct dso_counter **ret_counter);

/* dso_counter_close - give a handle back; waits for what was submitted in the session. The counter stays.
 * NULL does nothing. */
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
	uint64_t
		capacity_bytes; /* 1 to 64 MiB; 0: any (64 KiB at creation). Takes twice that of memory */
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
 * dso_register_get - read one whole version into @buffer of @buffer_bytes.
 * One round trip where the version is still the one last seen by this handle or follows it by two,
 * else two. *ret_length is its length, *ret_version its number (0: never set). Both are also set when
 * it returns -EMSGSIZE (the value is longer than @buffer_bytes). On failure the contents of @buffer are
 * undefined. Returns 0,
 * -EMSGSIZE, -ESTALE, -ETIMEDOUT (writers replaced it faster than it could be read), -EBADMSG (what
 * lies there is not what a writer wrote), -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_register_get(struct dso_register *reg, void *buffer, size_t buffer_bytes,
		     size_t *ret_length, uint64_t *ret_version);

/*
 * dso_register_set - replace the value by @length_bytes of @value. Two round trips. Readers see the
 * old value or the new one, never a mixture; a writer that dies leaves the old one.
 * Returns 0, -EMSGSIZE (longer than the capacity), -ESTALE, -ETIMEDOUT (other writers were at it for
 * longer than the session's timeout), -ECONNRESET (it may or may not have been set), -ENOTCONN,
 * -ESHUTDOWN.
 */
int dso_register_set(struct dso_register *reg, const void *value, size_t length_bytes,
		     uint64_t *ret_version);

/*
 * dso_register_set_if_version - as set, if the version is still @expected (0: never set).
 * Returns 0, -EAGAIN (the version is another; *ret_version, also set then, is that), and as set.
 */
int dso_register_set_if_version(struct dso_register *reg, uint64_t expected, const void *value,
				size_t length_bytes, uint64_t *ret_version);

/*
 * dso_register_exchange - as set, and read the value replaced into @buffer, as get does. When that is
 * longer than @buffer_bytes nothing is changed and -EMSGSIZE is returned.
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
 * dso_register_size - the length of the current value. Errors as for dso_register_get().
 */
int dso_register_size(struct dso_register *reg, size_t *ret_length);

/* dso_register_capacity - the bytes that a value may have. Does not block. */
uint64_t dso_register_capacity(const struct dso_register *reg);

/* ---- memory of one's own ---- */

struct dso_memory_params {
	uint64_t size_bytes; /* at least 1; 0: any (4096 at creation) */
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
 * dso_memory_read - copy @length_bytes from @offset into @buffer. Not atomic, not even 8 bytes of it:
 * a READ is a hint, the result of an atomic is a fact. Returns 0, -ERANGE (outside the object),
 * -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
 */
int dso_memory_read(struct dso_memory *memory, uint64_t offset, void *buffer, size_t length_bytes);

/*
 * dso_memory_write - copy @length_bytes of @buffer to @offset. Not atomic; never use it on a word that
 * atomics change. Returns 0, -ERANGE (outside the object), -ESTALE, -ECONNRESET, -ENOTCONN, -ESHUTDOWN.
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
 * dso_memory_fetch_add - add @delta to the 8 bytes at @offset; *ret_before is what they were. With a
 * @delta of 0 it is an atomic load. Errors as for cas.
 */
int dso_memory_fetch_add(struct dso_memory *memory, uint64_t offset, uint64_t delta,
			 uint64_t *ret_before);

/* ---- the asynchronous form ---- */

/*
 * Each one-sided verb has a twin that takes a @tag and returns at once. Operations of a session are
 * executed in the order of their submission and complete in that order. They may leave the process
 * only at dso_flush(), which rings the doorbell once for all of them. Buffers belong to the operation
 * until its completion was reaped. Besides the errors of the verb that are known at once (-ERANGE,
 * -EINVAL, -ESTALE, -ENOTCONN, -ESHUTDOWN), each returns -EAGAIN when DSO_OUTSTANDING_MAX are submitted
 * and not yet reaped: flush and reap. A READ or WRITE may have at most DSO_SUBMIT_BYTES_MAX, else
 * -EMSGSIZE.
 */
#define DSO_SUBMIT_BYTES_MAX 65536

struct dso_completion {
	uint64_t tag;
	int32_t status;    /* 0 or a negative errno, as of the verb */
	uint32_t reserved; /* zero */
	uint64_t value;    /* atomics: the value before */
};

/* dso_memory_read_submit - dso_memory_read() of at most DSO_SUBMIT_BYTES_MAX, asynchronous. */
int dso_memory_read_submit(struct dso_memory *memory, uint64_t offset, void *buffer,
			   size_t length_bytes, uint64_t tag);
/* dso_memory_write_submit - dso_memory_write() of at most DSO_SUBMIT_BYTES_MAX, asynchronous. */
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
 * timeout, where the connection takes no more. Returns 0, -ENOTCONN, -ECONNRESET, -ESHUTDOWN.
 */
int dso_flush(struct dso_session *session);

/*
 * dso_reap - take up to @count_max completions, oldest first, into @completions. Flushes. Waits until
 * there is at least one, for at most @timeout (DSO_NOWAIT, DSO_FOREVER); also DSO_FOREVER ends when the
 * connection is given up. Returns 0 with *ret_count at least 1, or 0 with *ret_count 0 when nothing is
 * outstanding; -ETIMEDOUT.
 */
int dso_reap(struct dso_session *session, struct dso_completion *completions, size_t count_max,
	     int64_t timeout, size_t *ret_count);

/*
 * dso_fd - a file descriptor that polls readable when dso_reap() may have something to return. It
 * belongs to the session and stays the same. It is armed by each call: reap with DSO_NOWAIT until
 * -ETIMEDOUT or a count of 0, call dso_fd(), then poll. Returns the descriptor, -EMFILE, -ENOTCONN.
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
