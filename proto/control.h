/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the control connection (TCP or unix socket). Each is a header and a body; a request
 * is answered by one reply of the same type and request number. Replies with a status other than
 * OK carry a sentence of text instead of the body. Notices (request number 0) come from storaged
 * unasked. WIRE.md shows every message as a table, checked against this file by a test.
 */
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include "proto/le.h"
#include "proto/lists.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_MAGIC   "DSORDMA\n"
#define CONTROL_VERSION 2
#define CONTROL_PORT    7471

#define CONTROL_BODY_BYTES_MAX      4080
#define CONTROL_NAME_BYTES_MAX      255
#define CONTROL_NAMESPACE_BYTES_MAX 63
#define CONTROL_COOKIE_BYTES        16
/* Of an object that grows: numbers from 0; and bytes, in units. */
#define CONTROL_EXTENTS_MAX       255
#define CONTROL_EXTENT_UNIT_BYTES 4096
#define CONTROL_EXTENT_BYTES_MAX  (1ULL << 32)

/* Features: a bit each, in HELLO and WELCOME. Unknown offered bits are ignored, unknown required
 * bits are refused with FEATURE. */
enum control_feature {
	CONTROL_FEATURE_WAIT = 1,       /* WAIT, WAKE and CANCEL */
	CONTROL_FEATURE_HELD = 2,       /* HELD */
	CONTROL_FEATURE_LEASE = 4,      /* ATTACH with shm brings a lease beside the arena */
	CONTROL_FEATURE_GROW = 8,       /* GROW */
	CONTROL_FEATURE_VALUE = 16,     /* WAIT until SUM_LEAST, SUM_OTHER and NEWER */
	CONTROL_FEATURE_EPHEMERAL = 32, /* OPEN with EPHEMERAL */
	CONTROL_FEATURE_PREFIX = 64,    /* DELETE_PREFIX */
};
#define CONTROL_FEATURES                                                                       \
	((uint64_t)(CONTROL_FEATURE_WAIT | CONTROL_FEATURE_HELD | CONTROL_FEATURE_LEASE |      \
		    CONTROL_FEATURE_GROW | CONTROL_FEATURE_VALUE | CONTROL_FEATURE_EPHEMERAL | \
		    CONTROL_FEATURE_PREFIX))

enum control_type {
	CONTROL_HELLO = 1,        /* begins a session */
	CONTROL_ATTACH = 2,       /* makes this connection the data path of a session */
	CONTROL_GOODBYE = 3,      /* ends the session */
	CONTROL_PING = 4,         /* heartbeat */
	CONTROL_OPEN = 5,         /* name to reference; creates on first open */
	CONTROL_CLOSE = 6,        /* gives a handle back; also acknowledges DELETED */
	CONTROL_DELETE = 7,       /* deletes an object by name */
	CONTROL_LIST = 8,         /* a page of the directory */
	CONTROL_STAT = 9,         /* one object by name */
	CONTROL_SERVER_STAT = 10, /* storaged itself */
	CONTROL_QUEUE_PAIR = 11,  /* makes a queue pair for transport roce */
	CONTROL_FIGURES = 12,     /* what storaged counts of transport roce */
	CONTROL_WAIT = 13,   /* answered when the word was woken; others are served meanwhile */
	CONTROL_WAKE = 14,   /* answers the oldest waits of a word */
	CONTROL_CANCEL = 15, /* has the session's wait answered in any case */
	CONTROL_WAKE_QUIETLY = 16,  /* notice of the client's: WAKE without an answer */
	CONTROL_HELD = 17,          /* a page of who holds what */
	CONTROL_USE = 18,           /* notice of the client's: which transport it has chosen */
	CONTROL_GROW = 19,          /* gives an object more memory, or tells what it has */
	CONTROL_REDUCE = 20,        /* reduces a round of an aggregator */
	CONTROL_DELETE_PREFIX = 21, /* deletes some of the objects whose names begin alike */
	CONTROL_DELETED = 64,       /* notice: an object that the session has open was deleted */
	CONTROL_FENCED = 65,        /* notice: the session is over; the last message */
};

/* What executes the atomics on a region's words (see ARCHITECTURE.md, atomicity domain). */
enum control_domain { CONTROL_DOMAIN_CPU = 1, CONTROL_DOMAIN_DEVICE = 2 };

/* Bits of control_welcome.transports; also control_attach.transport. */
enum control_transport {
#define X(NAME, name, bit) CONTROL_##NAME = bit,
	TRANSPORTS(X)
#undef X
};

enum object_type {
#define X(NAME, name, number) OBJECT_##NAME = number,
	OBJECT_TYPES(X)
#undef X
};

struct control_header {
	le32_t length_bytes; /* of the body, at most CONTROL_BODY_BYTES_MAX */
	le16_t type;         /* enum control_type */
	le16_t status;       /* enum wire_status in replies, zero in requests and notices */
	le32_t request;      /* chosen by the client, not 0; repeated in the reply */
	le32_t reserved;     /* zero */
};
_Static_assert(sizeof(struct control_header) == 16, "control header");

struct control_hello {
	uint8_t magic[8];
	le16_t version_min; /* the versions that the client speaks */
	le16_t version_max;
	le32_t linger_ms; /* how long its holds are kept behind an end without GOODBYE */
	le64_t features_offered;
	le64_t features_required;
	uint8_t name_space[CONTROL_NAMESPACE_BYTES_MAX + 1]; /* zero-terminated and -filled */
};
_Static_assert(sizeof(struct control_hello) == 96, "hello");

struct control_welcome {
	le16_t version; /* the one spoken from here on */
	uint8_t domain; /* enum control_domain */
	uint8_t transports;
	le32_t ttl_ms; /* silence after which the session is fenced */
	le64_t features;
	le64_t session; /* its low 16 bits are the session's owner number, not 0 */
	uint8_t cookie[CONTROL_COOKIE_BYTES]; /* the right to attach data paths */
	le64_t region_bytes;
	uint8_t host[16]; /* storaged's boot id: equal means the same kernel */
	/* verbs */
	le64_t region_address; /* virtual address of the region's first byte in the memory region */
	le32_t region_rkey;
	le16_t verbs_port;
	le16_t reserved;
	uint8_t verbs_address[48]; /* numeric, zero-terminated and -filled */
	/* shm */
	uint8_t unix_path[108]; /* zero-filled; empty when storaged has no unix socket */
	le32_t reserved2;
	/* that socket's file: no other process can have made the one of these numbers */
	le64_t unix_device;
	le64_t unix_inode;
	/* roce over a unix socket: where this host finds storaged, IPv4 as ::ffff:a.b.c.d */
	uint8_t tcp_ip[16];
	le16_t tcp_port; /* zero when it listens at no IP address */
	uint8_t reserved3[6];
};
_Static_assert(sizeof(struct control_welcome) == 280, "welcome");

struct control_attach {
	le64_t session;
	uint8_t cookie[CONTROL_COOKIE_BYTES];
	uint8_t transport; /* CONTROL_SHM or CONTROL_TCP, one bit */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct control_attach) == 32, "attach");

/* The end of a path of this transport is the end of the session from here on, unless GOODBYE came
 * before. */
struct control_use {
	uint8_t transport; /* enum control_transport, one bit */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct control_use) == 8, "use");

/* Parameters of an object: what they mean is the type's (proto/layout.h); unused ones are zero. */
struct control_parameters {
	le64_t parameter[4];
};
_Static_assert(sizeof(struct control_parameters) == 32, "parameters");

enum control_open_flags {
	CONTROL_OPEN_CREATE = 1, /* create when absent, else NOT_FOUND */
	CONTROL_OPEN_PARAMETERS =
		2, /* the parameters are given: a zero one is "any", the rest must match */
	/* create one that is deleted with its last handle; one that is there must be such a one */
	CONTROL_OPEN_EPHEMERAL = 4,
};

struct control_open {
	le16_t type; /* enum object_type */
	uint8_t flags;
	uint8_t name_bytes; /* the name follows */
	le32_t reserved;
	struct control_parameters parameters;
};
_Static_assert(sizeof(struct control_open) == 40, "open");

struct control_opened {
	le64_t offset;       /* of the object's header in the region */
	le64_t length_bytes; /* with the header */
	le32_t generation;
	le16_t node; /* 0 until there are several */
	le16_t region;
	le32_t handle; /* names the open in CLOSE and DELETED */
	le32_t reserved;
	struct control_parameters parameters; /* the object's own */
	/* of its fencing tokens: larger than every token of an object before */
	le64_t token_origin;
};
_Static_assert(sizeof(struct control_opened) == 72, "opened");

struct control_close {
	le32_t handle;
	le32_t reserved;
};
_Static_assert(sizeof(struct control_close) == 8, "close");

/* DELETE and STAT: the name follows. */
struct control_name {
	uint8_t name_bytes;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct control_name) == 8, "name");

/* DELETE_PREFIX: the beginning of the names follows. */
struct control_delete_prefix {
	le32_t cursor; /* 0 at first, then what the last reply said; any number does no harm */
	uint8_t name_bytes;
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct control_delete_prefix) == 8, "delete prefix");

struct control_deleted_prefix {
	le32_t cursor; /* where to go on; 0: all were looked at */
	le32_t count;  /* that were deleted */
};
_Static_assert(sizeof(struct control_deleted_prefix) == 8, "deleted prefix");

struct control_list {
	le32_t cursor; /* 0 at first, then what the last page said */
	le32_t reserved;
};
_Static_assert(sizeof(struct control_list) == 8, "list");

/* The reply to LIST: this, then @count entries, each with its name behind it. */
struct control_page {
	le32_t cursor; /* of the next page; 0 after the last */
	le32_t count;
};
_Static_assert(sizeof(struct control_page) == 8, "page");

struct control_entry {
	uint8_t type;  /* enum object_type */
	uint8_t flags; /* CONTROL_OPEN_EPHEMERAL or zero */
	uint8_t name_bytes;
	uint8_t extents; /* that it has beside its own memory */
	le32_t generation;
	le64_t offset;
	le64_t length_bytes;
	le32_t opens;        /* sessions that have it open */
	le32_t extent_units; /* of all extents, CONTROL_EXTENT_UNIT_BYTES each */
	struct control_parameters parameters;
};
_Static_assert(sizeof(struct control_entry) == 64, "entry");

struct control_server_stat {
	le64_t uptime_ns;
	le64_t region_bytes;
	le64_t region_used_bytes;
	le64_t objects;
	le64_t objects_max;
	le64_t sessions;
	le64_t sessions_max;
	le64_t sessions_begun;
	le64_t sessions_fenced; /* ended by silence */
	le64_t sessions_lost;   /* ended by a disconnect without GOODBYE */
	le64_t protocol_errors; /* connections, queue pairs ended for what they sent */
	le64_t operations;      /* executed by storaged (transport tcp) */
	uint8_t domain;
	uint8_t transports;
	uint8_t reserved[6];
	uint8_t io[16];     /* "io_uring" or "poll", zero-filled */
	uint8_t device[64]; /* of the domain `device`, zero-filled */
	uint8_t version[32];
	uint8_t domain_reason[128]; /* why that domain, a sentence */
};
_Static_assert(sizeof(struct control_server_stat) == 344, "server stat");

/*
 * One end of a queue pair: the client's in the request, storaged's in the reply. With the domain
 * DEVICE storaged's end is its RDMA device's, which answers to port 4791 whatever the client's port
 * is.
 */
struct control_queue_pair {
	uint8_t ip
		/* IPv4 as ::ffff:a.b.c.d, as in a GID; the client's is the control connection's */
		[16];
	le16_t port;      /* UDP */
	le16_t mtu;       /* of the path: 256 to 4096, a power of two; storaged's is not larger */
	le16_t rd_atomic; /* READs and atomics under way, at least 1; storaged's is not larger */
	le16_t reserved;
	le32_t qpn; /* 24 bits */
	le32_t psn; /* 24 bits: of the client's first request; zero in the reply */
	/* zero in the request */
	le32_t rkey;
	le32_t reserved2;
	le64_t region_address; /* of the region's first byte */
};
_Static_assert(sizeof(struct control_queue_pair) == 48, "queue pair");

/* The reply to FIGURES: this, then @count entries. */
struct control_figures {
	le32_t count;
	le32_t reserved;
};
_Static_assert(sizeof(struct control_figures) == 8, "figures");

struct control_figure {
	uint8_t name[40]; /* zero-terminated and -filled */
	le64_t value;
};
_Static_assert(sizeof(struct control_figure) == 48, "figure");

/* What there is to wait for. With GIVEN_BACK and TAKEN the word is an owned one (proto/layout.h),
 * and storaged sets OWNED_WAITED in it while it has an owner, whoever that is. With the two sums
 * storaged looks at the words now and then: a client that changes them sends no WAKE. */
enum control_wait_until {
	CONTROL_WAIT_CHANGED = 0,    /* it has another value than the one expected */
	CONTROL_WAIT_GIVEN_BACK = 1, /* it has no owner */
	CONTROL_WAIT_TAKEN = 2, /* it is the session's: storaged takes it, as the session would */
	CONTROL_WAIT_SUM_LEAST = 3, /* a counter's stripes add up to what is expected, or more */
	CONTROL_WAIT_SUM_OTHER = 4, /* they add up to something else */
	/* a register's head has a version above the one expected; storaged sets OWNED_WAITED in it
	 * until it has */
	CONTROL_WAIT_NEWER = 5,
};

/*
 * Park until the word is woken. It is answered at once, with CHANGED, where there is nothing to
 * wait for. A session has one wait at a time; its deadline is the client's, which cancels. Its
 * reply is OK, CHANGED, CANCELLED, STALE. When the session ends while it is parked, @leave is taken
 * off the word behind that one: the count of those who wait for an event (proto/layout.h).
 */
struct control_wait {
	le32_t handle;
	uint8_t until; /* enum control_wait_until */
	uint8_t again; /* 1: after a wake-up in vain; the session keeps the place that it had */
	/* CHANGED: how much of a WAKE's count the session takes; zero stands for 1. The sums: how
	 * many words there are, one a line, 1 to COUNTER_STRIPES_MAX. Else zero. */
	le16_t share;
	le64_t offset; /* of the word, or the first one, from the object's header */
	/* CHANGED: a value; TAKEN: flags with which it is not to be taken; the sums: an int64;
	 * NEWER: a version; else zero */
	le64_t expected;
	le64_t leave; /* zero with the last three */
};
_Static_assert(sizeof(struct control_wait) == 32, "wait");

/* The reply to WAIT. */
struct control_waited {
	/* TAKEN: the word, which is the session's now; else zero: it is to look again */
	le64_t taken;
};
_Static_assert(sizeof(struct control_waited) == 8, "waited");

struct control_wake {
	le32_t handle;
	le32_t count; /* the sum of the shares of those to be woken; the longest parked first */
	le64_t offset;
};
_Static_assert(sizeof(struct control_wake) == 16, "wake");

struct control_woken {
	le32_t count;
	le32_t reserved;
};
_Static_assert(sizeof(struct control_woken) == 8, "woken");

/* It is answered when the round was reduced, or cannot be: it is over, broken, not complete, or
 * another session reduces it. */
struct control_reduce {
	le32_t handle;
	le32_t reserved;
	le64_t round;
};
_Static_assert(sizeof(struct control_reduce) == 16, "reduce");

/* The reply to REDUCE. */
struct control_reduced {
	le64_t word; /* the aggregator's round (proto/layout.h), as it is now */
};
_Static_assert(sizeof(struct control_reduced) == 8, "reduced");

struct control_held {
	le64_t cursor; /* 0 at first, then what the last page said; any number does no harm */
};
_Static_assert(sizeof(struct control_held) == 8, "held");

/* The reply to HELD: this, then @count holds, each with its object's name behind it. It may have
 * none and not be the last. */
struct control_holds {
	le64_t cursor; /* of the next page; 0 after the last */
	le32_t count;
	le32_t reserved;
};
_Static_assert(sizeof(struct control_holds) == 16, "holds");

/* What a session may be to an object. */
enum control_hold_role { CONTROL_HOLDER = 0, CONTROL_WRITER = 1, CONTROL_READER = 2 };

#define CONTROL_HELD_UNKNOWN UINT64_MAX

/* What one session has of one object, by the object's words; since when, by what storaged saw of
 * them. */
struct control_hold {
	le16_t type; /* enum object_type */
	uint8_t name_bytes;
	uint8_t role;       /* enum control_hold_role */
	le32_t generation;  /* of the object */
	le32_t owner;       /* the session's owner number */
	le32_t count;       /* of words: permits of a semaphore, else 1 */
	le64_t token;       /* the newest of those words */
	le64_t held_min_ns; /* it has been held without a break for so long at least, */
	le64_t held_max_ns; /* and for no longer than that; CONTROL_HELD_UNKNOWN: nobody knows */
	uint8_t who[64];    /* "pid 4711" or "192.0.2.7:40312", zero-terminated and -filled */
};
_Static_assert(sizeof(struct control_hold) == 104, "hold");

/*
 * Make the extent of that number, zeroed, where the object has none; its extents go with the
 * object. So one that asks again, or at the same time as another, gets the same. With bytes zero it
 * only asks.
 */
struct control_grow {
	le32_t handle;
	le16_t extent; /* its number, below CONTROL_EXTENTS_MAX */
	le16_t reserved;
	le64_t bytes; /* a multiple of CONTROL_EXTENT_UNIT_BYTES, to CONTROL_EXTENT_BYTES_MAX */
};
_Static_assert(sizeof(struct control_grow) == 16, "grow");

/* The reply to GROW: this, then as many entries: the extent asked for, and those that there are of
 * the numbers that follow, without a gap. None: there is no such extent. */
struct control_grown {
	le32_t count;
	le32_t reserved;
};
_Static_assert(sizeof(struct control_grown) == 8, "grown");

#define CONTROL_GROWN_MAX 64

struct control_extent {
	le64_t offset; /* in the region */
	le64_t bytes;  /* at least what the session that made it asked for */
};
_Static_assert(sizeof(struct control_extent) == 16, "extent");

/* DELETED has a struct control_close as its body, FENCED a sentence. */

/*
 * Whether a request or notice of @type may have a body of @length_bytes, and whether the names and
 * reserved fields in it are well-formed. @body may be NULL while only the header is there: then the
 * length alone is checked. Returns a wire_status: OK, MALFORMED, NAME.
 */
enum wire_status control_check(const struct control_header *header, const void *body);

/* The name of @type for logs and errors, "unknown" where it is. */
const char *control_type_name(unsigned type);

/* Fills a header. */
static inline struct control_header control_header_of(uint16_t type, uint16_t status,
						      uint32_t request, uint32_t length_bytes)
{
	return (struct control_header){
		.length_bytes = le32_of(length_bytes),
		.type = le16_of(type),
		.status = le16_of(status),
		.request = le32_of(request),
	};
}

#endif
