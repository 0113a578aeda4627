/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions. Included by dso/dso.h. */
#ifndef DSO_SESSION_H
#define DSO_SESSION_H

#include "objects.h"

DSO_DECLARATIONS_BEGIN

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

/* ---- the library ---- */

/* dso_version - the library's version, "MAJOR.MINOR.PATCH". */
const char *dso_version(void);

DSO_DECLARATIONS_END

#endif
