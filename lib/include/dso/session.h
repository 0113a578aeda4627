/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions. Included by dso/dso.h. */
#ifndef DSO_SESSION_H
#define DSO_SESSION_H

#include "objects.h"

DSO_DECLARATIONS_BEGIN

/* ---- sessions ---- */

/*
 * struct dso_options - how dso_open() opens a session. A member that is zero stands for the
 * environment variable in parentheses, and where that is not set for the default behind it.
 */
struct dso_options {
	const char *transport; /* "auto", "shm", "verbs", "roce", "tcp" (DSO_TRANSPORT; "auto") */
	const char *device;    /* the RDMA device to use, as ibv_devices shows it (DSO_DEVICE) */
	/* The silence of storaged after which the session is given up (DSO_TIMEOUT_MS; 3 s). Time
	 * in which this process got no processor does not count. The timeout is at most three
	 * quarters of storaged's TTL (10 s): after the TTL storaged, or one that is started in its
	 * place, gives what the session held to others. A connection that is closed or refused ends
	 * the session at once. */
	int64_t timeout;
	/* How to wait for an answer (DSO_POLL; "adaptive"): "adaptive" spins for about a round
	 * trip, then sleeps; "busy" spins, with the lowest latency and a whole processor while it
	 * waits; "block" sleeps at once. */
	const char *poll;
	const char *io; /* transport tcp: "auto", "io_uring", "poll" (DSO_IO; "auto") */
	/* The most that dso_open() may take as a whole, name resolution and every transport
	 * included (DSO_OPEN_TIMEOUT_MS; ten times the timeout but 10 s at most, or the timeout
	 * where that is longer). */
	int64_t open_timeout;
	/*
	 * For how long storaged keeps what the session holds after the session was lost, which is
	 * its end without dso_close(): by a broken connection, by silence, by the end of the
	 * process. Its access to memory ends at once all the same. Linger is for a lock that guards
	 * something outside of the store which goes on for a while without the connection, such as
	 * a command. 0: storaged takes it back at once. A session of an embedded store is never
	 * lost.
	 */
	int64_t linger;
	/* 1: the library renews a lost session by itself, as by dso_renew(), and then tries the
	 * operation once more, where that is safe to repeat: opening, describing and listing
	 * objects, dso_holds(), dso_ping(), dso_server_stat(), dso_transport_stat(), reading
	 * memory, registers and counters. It does not while the session holds something: the caller
	 * has to learn from dso_renew() what was lost. 0: never by itself. */
	uint64_t renew;
	uint64_t reserved[5]; /* zero */
};

/*
 * dso_open - begin a session with the storaged at @url. @url is dso://HOST[:PORT][/NAMESPACE],
 * dso+unix://PATH[?namespace=NAME], or embedded:[NAME] (a store inside this process, shared by its
 * sessions of the same NAME and gone with the last of them); NULL: DSO_URL, and where that is not
 * set storaged's default unix socket, then 127.0.0.1:7471. The default socket is used only where
 * it, its directory and the process that listens there belong to root or to this process's user.
 * @options may be NULL. On success *ret_session is the caller's, to be given back with dso_close().
 * With "auto" each transport that storaged offers has a share of the time, and tcp always one. Any
 * thread may call it; the session is that thread's first. Blocks for at most the open_timeout. The
 * sentence of a failure is dso_error(NULL). Returns 0, -EINVAL (a malformed URL or option; a
 * transport for an embedded store; a linger longer than this storaged allows, 60 s unless its
 * setting linger-max says otherwise), -ECONNREFUSED (nobody listens there, or storaged shuts down),
 * -ECONNRESET (the connection was closed before there was an answer, as by a storaged that has as
 * many connections as it may), -EHOSTUNREACH (the host's name has no address, or no route leads to
 * it), -EAGAIN (the host's name cannot be resolved now, or this process gets no more threads),
 * -EACCES (this process may not connect to the unix socket; storaged refuses it access to its
 * memory; or another process's socket lies where storaged's should), -ETIMEDOUT (no answer),
 * -EPROTONOSUPPORT (storaged and this library have no protocol version in common), -EPROTO (what
 * answers there is not storaged), -ENOENT (no such namespace), -EUSERS (storaged, or an embedded
 * store, has as many sessions as it may, in total or of this user or address), -EOPNOTSUPP (the
 * transport that was asked for cannot be used here; the sentence says why), -EMFILE (this process
 * has as many descriptors as it may), -ENOMEM.
 */
int dso_open(const char *url, const struct dso_options *options, struct dso_session **ret_session);

/*
 * dso_close - end a session and free it. Every handle opened in it is freed with it, and what they
 * held is given back. Operations submitted and not reaped may or may not have been executed. Blocks
 * until storaged has answered, for at most the session's timeout. NULL does nothing.
 */
void dso_close(struct dso_session *session);

/*
 * dso_interrupt - end a wait of @session with -ECANCELED: the wait that another thread is in, or
 * else the next one. It ends the waits for others of coordination objects, queues and aggregators,
 * dso_thread_join(), dso_memory_wait(), and those for a value of dso_counter_wait(),
 * dso_counter_wait_change(), dso_register_wait() and dso_map_wait(); it ends none of dso_open(),
 * dso_renew() and dso_reap(), no wait of a counter or a register for other writers, and no wait
 * for an answer of storaged. A call that need not wait is not ended. Any thread may call it while
 * another uses the session, which no other function allows; a signal handler may not. Waits only
 * for a lock that other threads hold for moments.
 */
void dso_interrupt(struct dso_session *session);

/*
 * dso_error - the sentence behind the last failure in @session: what failed, on what, why. NULL:
 * the sentence of the last dso_open() in this thread that failed. Never NULL. The string is the
 * library's, and is valid until the next call for the session, or the next dso_open(). Does not
 * block.
 */
const char *dso_error(const struct dso_session *session);

/*
 * dso_ping - measure a round trip on the control connection, in nanoseconds. Blocks for that round
 * trip. Returns 0, -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_ping(struct dso_session *session, int64_t *ret_round_trip);

/* Why a session uses a transport, or does not. */
struct dso_transport_report {
	const char *name; /* the library's string, for ever */
	int chosen;       /* 1: the transport in use */
	char reason[200]; /* why it is used or not, a sentence */
};

/*
 * dso_transports - fill @reports, an array of @count_max, with a report of every transport, in
 * order of preference; an embedded store has its own transport alone. @session NULL: the reports of
 * the last dso_open() in this thread, if it failed; none where it failed before it tried a
 * transport. Does not block. Returns their number, also where that is more than @count_max.
 */
size_t dso_transports(const struct dso_session *session, struct dso_transport_report *reports,
		      size_t count_max);

/* dso_transport - the name of the transport in use: "shm", "verbs", "roce", "tcp" or "embedded".
 * The string is the library's. Does not block. */
const char *dso_transport(const struct dso_session *session);

/* dso_url - the URL that the session was opened with, or the default one that answered. The string
 * is the session's, and is valid until dso_close(). Does not block. */
const char *dso_url(const struct dso_session *session);

/* What storaged says of itself. */
struct dso_server_stat {
	uint64_t uptime; /* ns */
	uint64_t region_bytes;
	uint64_t region_used_bytes;
	uint64_t objects, objects_max;
	uint64_t sessions, sessions_max;
	uint64_t sessions_begun;
	uint64_t sessions_fenced; /* ended because they were silent */
	uint64_t sessions_lost;   /* ended because they disconnected */
	uint64_t protocol_errors; /* connections and queue pairs ended because of what they sent */
	uint64_t operations;      /* executed by storaged itself (transport tcp) */
	int64_t session_ttl;      /* ns */
	char domain[16];          /* "cpu" or "device", which executes the atomics */
	char domain_reason[128];  /* why; begins with "broken: " where the device is broken */
	char io[16];              /* "io_uring" or "poll"; of an embedded store "none" */
	char device[64];
	char version[32];
};

/*
 * dso_server_stat - ask storaged for its figures. Blocks for one control round trip. Returns 0,
 * -ENOTCONN, -ESHUTDOWN, -ETIMEDOUT, -EPROTO.
 */
int dso_server_stat(struct dso_session *session, struct dso_server_stat *ret_stat);

#define DSO_FIGURES_MAX 96

/* A counter's name and value. */
struct dso_figure {
	char name[40]; /* "packets_sent", "dropped_icrc", "window_bytes", "sessions_ended_silent" */
	/* 1: counted by storaged, over all its sessions since it started; 0: by this session */
	uint32_t at_storaged;
	uint32_t reserved; /* zero */
	uint64_t value;
};

/*
 * dso_transport_stat - fill @figures, an array of @count_max, with what this session's transport
 * and storaged counted. Where transport roce is used or offered these are packets sent, received,
 * sent again, refused and dropped, by cause, and the window and round trip at this moment. storaged
 * counts how many sessions ended for each reason, how many are parked on a word at this moment, and
 * how often a session that was given a word or woken for a permit did not come in time; the reason
 * for which a single session ended is in its log.
 * There are DSO_FIGURES_MAX figures at most; those that do not fit in are left out. *ret_count is
 * how many were filled in. Blocks for one control round trip. Returns 0, -ENOTCONN, -ESHUTDOWN,
 * -ETIMEDOUT, -EPROTO.
 */
int dso_transport_stat(struct dso_session *session, struct dso_figure *figures, size_t count_max,
		       size_t *ret_count);

/* ---- renewal ---- */

/* What a handle lost with its session. */
struct dso_loss {
	enum dso_type type;
	/* in which the handle held a mutex, a rwlock, permits, leased items, a once that was begun,
	 * or a future that was promised */
	enum dso_role role;
	/* permits or leases that it held, of another type 1; 0: it held nothing */
	uint32_t count;
	/* 0: the handle can be used; -ESTALE: its object was deleted or created anew */
	int32_t status;
	char name[DSO_NAME_BYTES_MAX + 1];
};

/*
 * dso_renew - begin a new session under the handles of @session, if that is over. Every handle
 * stays where it is and is opened again. A handle whose object was deleted meanwhile, or created
 * anew as by a restarted storaged, returns -ESTALE from then on. What the handles held is lost, and
 * another session may hold it by now. @each (may be NULL) is called with @context for every handle
 * that held something or became stale; it must not use the session, and what it returns is ignored.
 * @each is called also where the renewal fails later: what it was told is lost. Operations that
 * were submitted get their outcomes before that, and can be reaped afterwards. The descriptor of
 * dso_fd() stays the same; call dso_fd() again to arm it.
 *
 * The function asks storaged whether the session is over. So a function that is frozen between two
 * of its calls begins each call with it:
 *
 *	int r = dso_renew(session, note_loss, &state);
 *	if (r) { dso_close(session); ... open another ... }
 *
 * Such a function takes and gives back a lock within one call. Blocks for one control round trip,
 * and where the session is over as dso_open() does. Where it fails, the session is over still, and
 * it can be called again. Returns 0 (also where the session is not over, and nothing was done),
 * what dso_open() returns, -ENOTCONN (the new session was lost while its handles were opened again;
 * or this is a forked child), -ESHUTDOWN (storaged has ended the new session meanwhile), -EIO
 * (storaged has no memory of its own for a handle), -EMFILE (dso_fd() cannot be kept; or this
 * process has as many descriptors, or the session as many handles, as it may).
 */
int dso_renew(struct dso_session *session, int (*each)(const struct dso_loss *loss, void *context),
	      void *context);

/* ---- the library ---- */

/* dso_version - the library's version, "MAJOR.MINOR.PATCH". Any thread may call it; it does not
 * block. */
const char *dso_version(void);

DSO_DECLARATIONS_END

#endif
