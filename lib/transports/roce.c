/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport `roce`: this process is itself the requester of a queue pair, over a UDP socket
 * (lib/roce). The other end is storaged's responder, or the storage host's RDMA device, which
 * cannot tell the difference.
 */
#include "lib/core/clock.h"
#include "lib/core/peer_timeout.h"
#include "lib/roce/arrival.h"
#include "lib/roce/requester.h"
#include "lib/roce/socket.h"
#include "lib/core/transport.h"
#include "lib/core/yield.h"
#include "proto/layout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Fruitless looks at the socket between two looks at the clock. */
#define LOOKS_PER_CLOCK 8
/* Packets of this MTU pass wherever IPv6 does (a path MTU of 1,280 bytes), and over nearly every
 * path of IPv4. */
#define MTU_EVERYWHERE 1024
/* The most bytes under way, however large the socket's buffer: more would only wait in it. */
#define WINDOW_BYTES_MAX (512 << 10)

struct transport_roce {
	struct transport_base base;
	struct roce_socket *socket;
	const _Atomic int *health;
	enum transport_poll poll;
	struct yield yield;
	uint32_t qpn; /* ours */
	uint64_t region_address, region_bytes;
	uint64_t completed; /* operations, ever */
	bool posted;        /* something since the last emission */
	struct breakage breakage;
	const char *why; /* it broke, and the operations under way have got their outcome */
	struct roce_counters counters;
	int epoll_fd, timer_fd, ready_fd; /* of fd(); -1 until called */
	bool ready;
	struct roce_batch batch;
	struct roce_requester requester;
};

static struct transport_roce *roce_of(struct transport *transport)
{
	return (struct transport_roce *)transport;
}

/* ---- operations ---- */

/*
 * Why no answer came, as far as this end can know. Packets keep the size that the path had. Where
 * the path became narrower, either the other end is a device, or the fragments of packets are lost.
 */
static const char *timeout_sentence_of(const struct transport_roce *roce)
{
	const struct roce_requester_config *config = &roce->requester.config;
	struct roce_address local;
	int mtu = roce_route(&config->path.remote, &local);

	return roce_socket_is_narrow(roce->socket) || (mtu > 0 && (uint32_t)mtu < config->mtu)
		       ? "the link to storaged has become narrower than this session's packets"
		       : "storaged does not answer on the queue pair";
}

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original)
{
	static const int errors[] = {
		[ROCE_DONE] = 0,
		[ROCE_REFUSED_REQUEST] = -EINVAL,
		[ROCE_REFUSED_ACCESS] = -EACCES,
		[ROCE_REFUSED_OPERATION] =
			-ECONNRESET, /* it is unknown how much of it was executed */
		[ROCE_UNKNOWN] = -ECONNRESET,
		[ROCE_NEVER_SENT] = -ENOTCONN,
	};
	static const char *const refusals[] = {
		[ROCE_REFUSED_REQUEST] = "storaged's end of the queue pair refused a request",
		[ROCE_REFUSED_ACCESS] =
			"storaged's end of the queue pair refused access to the memory",
		[ROCE_REFUSED_OPERATION] = "storaged's end of the queue pair failed an operation",
		[ROCE_NEVER_SENT] = NULL,
	};
	struct transport_roce *roce = context;
	struct op *op = request->owner;

	roce->completed++;
	if (outcome != ROCE_DONE && !roce->why)
		roce->why = refusals[outcome] ? refusals[outcome] : timeout_sentence_of(roce);
	if (request->length_bytes == 0) { /* see op_check */
		op->status = outcome == ROCE_DONE ? (int32_t)op->value : errors[outcome];
		return;
	}
	op->value = original;
	op->status = errors[outcome];
}

static int roce_submit(struct transport *transport, struct op *op)
{
	static const enum roce_operation operations[] = {[DATA_READ] = ROCE_READ,
							 [DATA_WRITE] = ROCE_WRITE,
							 [DATA_CAS] = ROCE_CAS,
							 [DATA_FAA] = ROCE_FAA};
	struct transport_roce *roce = roce_of(transport);
	struct roce_request request = {
		.operation = operations[op->opcode],
		.length_bytes = op->length_bytes,
		.address = roce->region_address + op->offset,
		.operand = op->operand,
		.swap = op->swap,
		.buffer = op->buffer,
		.owner = op,
	};
	int refusal = op_check(op, roce->region_bytes), r;

	if (refusal) {
		/* A WRITE of no bytes is sent in its place, which touches nothing and keeps the
		 * order. rdma_rxe does not answer a repeated READ of no bytes (rxe_resp.c,
		 * duplicate_request). */
		request.operation = ROCE_WRITE;
		request.length_bytes = 0;
		request.address = roce->region_address;
		op->value = (uint64_t)(int64_t)refusal;
	}
	op->status = -EINPROGRESS;
	r = roce_requester_post(&roce->requester, &request);
	roce->posted |= r == 0;
	return r;
}

/* Send what may be sent now. */
static void emit(struct transport_roce *roce, int64_t now_ns)
{
	roce->posted = false;
	while (roce_requester_emit(&roce->requester, now_ns, &roce->batch))
		roce_socket_send(roce->socket, &roce->batch);
}

static int roce_flush(struct transport *transport)
{
	struct transport_roce *roce = roce_of(transport);

	if (roce->requester.broken)
		return -ENOTCONN;
	if (roce->posted) {
		emit(roce, clock_now_ns());
		roce->yield.has_found = false;
	}
	return 0;
}

/* ---- progress ---- */

static void tell_if_broken(struct transport_roce *roce)
{
	if (roce->requester.broken)
		breakage_tell(&roce->breakage, roce->why ? roce->why : "the queue pair broke");
}

struct arrival {
	struct transport_roce *roce;
	int64_t now_ns;
};

static void take(void *context, const struct roce_address *source, const uint8_t *bytes,
		 size_t count)
{
	struct arrival *arrival = context;
	struct transport_roce *roce = arrival->roce;
	struct roce_packet packet;

	if (!roce_arrival_decode(bytes, count, &packet, &roce->counters))
		return;
	if (packet.qpn != roce->qpn)
		roce->counters.dropped_unknown_queue_pair++;
	else if (roce_arrival_holds(&roce->requester.config.path, source, bytes, count,
				    &roce->counters))
		roce_requester_receive(&roce->requester, arrival->now_ns, &packet);
}

/* Take the packets that have arrived, let time pass and send what may then be sent. */
static void turn(struct transport_roce *roce, int64_t now_ns)
{
	struct arrival arrival = {roce, now_ns};
	/* A refusal (ECONNREFUSED) needs no handling: the missing answer tells the same. */
	bool any = roce_socket_receive(roce->socket, take, &arrival) > 0;

	roce->yield.has_found = any;
	if (now_ns >= roce_requester_due(&roce->requester)) {
		roce_requester_tick(&roce->requester, now_ns);
		any = true;
	}
	/* The kernel reports that the path is too narrow: no timeout has to show it. */
	if ((roce->health && atomic_load_explicit(roce->health, memory_order_relaxed)) ||
	    roce_socket_is_narrow(roce->socket))
		roce_requester_break(&roce->requester);
	/* Only an answer, a timer or a new operation makes room to send. */
	if (any || roce->posted)
		emit(roce, now_ns);
	tell_if_broken(roce);
}

/* Sleep until a packet arrives, a timer is due or @until_ns. */
static void sleep_until(const struct transport_roce *roce, int64_t now_ns, int64_t until_ns)
{
	struct pollfd readable = {.fd = roce_socket_fd(roce->socket), .events = POLLIN};
	int64_t due_ns = roce_requester_due(&roce->requester), wait_ns;
	struct timespec timeout;

	if (due_ns < until_ns)
		until_ns = due_ns;
	wait_ns = until_ns - now_ns;
	if (wait_ns <= 0)
		return;
	timeout = (struct timespec){.tv_nsec = wait_ns < TRANSPORT_SLEEP_NS ? wait_ns
									    : TRANSPORT_SLEEP_NS};
	ppoll(&readable, 1, &timeout, NULL);
}

static void wait_for_completion(struct transport_roce *roce, int64_t wait_ns)
{
	int64_t begin_ns = clock_now_ns(), now_ns = begin_ns;
	uint64_t completed = roce->completed;

	for (unsigned looks = 1; roce->completed == completed && !roce->requester.broken; looks++) {
		int64_t spun_ns = now_ns - begin_ns;

		if (spun_ns >= wait_ns)
			return;
		if (roce->poll == TRANSPORT_POLL_BLOCK ||
		    (roce->poll == TRANSPORT_POLL_ADAPTIVE && spun_ns > TRANSPORT_SPIN_NS)) {
			sleep_until(roce, now_ns, begin_ns + wait_ns);
			now_ns = clock_now_ns();
		} else if (yield_comes_first(&roce->yield) || looks % LOOKS_PER_CLOCK == 0) {
			now_ns = clock_now_ns();
			if (roce->poll == TRANSPORT_POLL_ADAPTIVE ||
			    spun_ns > TRANSPORT_SPIN_ALONE_NS)
				now_ns = yield_processor(&roce->yield, now_ns);
		}
		turn(roce, now_ns);
	}
}

static int roce_progress(struct transport *transport, int64_t wait_ns)
{
	struct transport_roce *roce = roce_of(transport);
	uint64_t completed = roce->completed, count;

	if (roce->ready && read(roce->ready_fd, &count, sizeof count) > 0)
		roce->ready = false;
	if (roce->requester.broken)
		return -ENOTCONN;
	if (wait_ns && roce->poll == TRANSPORT_POLL_ADAPTIVE && yield_comes_first(&roce->yield))
		yield_processor(&roce->yield, clock_now_ns());
	if (roce->poll != TRANSPORT_POLL_BLOCK || wait_ns == 0)
		turn(roce, clock_now_ns());
	if (roce->completed == completed && wait_ns > 0 &&
	    roce_requester_outstanding(&roce->requester))
		wait_for_completion(roce, wait_ns);
	return 0;
}

/* ---- the descriptor ---- */

static int open_fds(struct transport_roce *roce)
{
	struct epoll_event event = {.events = EPOLLIN};

	roce->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	roce->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	roce->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (roce->epoll_fd >= 0 && roce->timer_fd >= 0 && roce->ready_fd >= 0 &&
	    !epoll_ctl(roce->epoll_fd, EPOLL_CTL_ADD, roce_socket_fd(roce->socket), &event) &&
	    !epoll_ctl(roce->epoll_fd, EPOLL_CTL_ADD, roce->timer_fd, &event) &&
	    !epoll_ctl(roce->epoll_fd, EPOLL_CTL_ADD, roce->ready_fd, &event))
		return 0;
	return -errno;
}

static void close_fds(struct transport_roce *roce)
{
	const int fds[] = {roce->epoll_fd, roce->timer_fd, roce->ready_fd};

	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	roce->epoll_fd = roce->timer_fd = roce->ready_fd = -1;
}

static int roce_fd(struct transport *transport)
{
	struct transport_roce *roce = roce_of(transport);
	uint64_t completed = roce->completed;
	struct itimerspec timer = {0};
	int64_t due_ns;
	int r;

	if (roce->epoll_fd < 0) {
		r = open_fds(roce);
		if (r) {
			close_fds(roce);
			return r;
		}
	}
	if (!roce->requester.broken)
		turn(roce, clock_now_ns());
	if ((roce->completed != completed || roce->requester.broken) && !roce->ready)
		roce->ready = eventfd_write(roce->ready_fd, 1) == 0;
	/* A thread that polls has to come back to send again what was lost. */
	due_ns = roce_requester_due(&roce->requester);
	if (due_ns != INT64_MAX)
		timer.it_value = (struct timespec){.tv_sec = due_ns / DSO_SECOND,
						   .tv_nsec = due_ns % DSO_SECOND};
	timerfd_settime(roce->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
	return roce->epoll_fd;
}

/* ---- figures ---- */

static void roce_figures(struct transport *transport, struct dso_figure *figures, size_t count_max,
			 size_t *count)
{
	struct transport_roce *roce = roce_of(transport);
	const struct {
		const char *name;
		uint64_t value;
	} states[] = {
		{"mtu_bytes", roce->requester.config.mtu},
		{"window_bytes", roce->requester.window_bytes},
		{"under_way_bytes", roce->requester.under_way_bytes},
		{"round_trip_ns", (uint64_t)roce->requester.srtt_ns},
		{"timeout_ns", (uint64_t)roce->requester.rto_ns},
	};

	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		figure_append(figures, count_max, count, roce_counter_name(i),
			      strlen(roce_counter_name(i)), roce_counter_get(&roce->counters, i));
	for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
		figure_append(figures, count_max, count, states[i].name, strlen(states[i].name),
			      states[i].value);
}

/* ---- life ---- */

static void roce_close(struct transport *transport)
{
	struct transport_roce *roce = roce_of(transport);

	roce_socket_close(roce->socket);
	close_fds(roce);
	free(roce);
}

static const struct transport_ops roce_ops = {
	.name = "roce",
	.submit = roce_submit,
	.flush = roce_flush,
	.progress = roce_progress,
	.fd = roce_fd,
	.close = roce_close,
	.forget = roce_close, /* which sends nothing */
	.figures = roce_figures,
};

/* ---- connecting ---- */

__attribute__((format(printf, 3, 4))) static int refuse(const struct attachment *attachment,
							int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(attachment->reason, attachment->reason_bytes, format, arguments);
	va_end(arguments);
	return error;
}

static bool is_device(const struct attachment *attachment)
{
	return attachment->welcome->domain == CONTROL_DOMAIN_DEVICE;
}

/* Where storaged's end of the queue pair is: its device, or where its control connection is. */
static int find_remote(const struct attachment *attachment, struct roce_address *ret_remote)
{
	const char *host = is_device(attachment) ? (const char *)attachment->welcome->verbs_address
						 : attachment->host;
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST}, *info;
	char text[sizeof attachment->welcome->verbs_address + 1];

	if (!host)
		return refuse(attachment, -EOPNOTSUPP,
			      "storaged was reached over a unix socket; its IP address, if it "
			      "listens at one, is used where roce is asked for");
	snprintf(text, sizeof text, "%.*s", (int)sizeof attachment->welcome->verbs_address, host);
	if (getaddrinfo(text, NULL, &hints, &info))
		return refuse(attachment, -EPROTO, "storaged names no address of its device");
	roce_address_from(info->ai_addr, ret_remote);
	freeaddrinfo(info);
	return 0;
}

/* Bind the port that a device answers to, or any port for storaged's responder, which is told of
 * it. */
static int open_socket(struct transport_roce *roce, const struct attachment *attachment,
		       struct roce_address *local)
{
	struct roce_socket_options options = {.local = local};
	char text[INET6_ADDRSTRLEN + 8];
	int r;

	local->port = is_device(attachment) ? ROCE_PORT : 0;
	r = roce_socket_open(&options, &roce->socket);
	if (r == -EADDRINUSE)
		return refuse(attachment, r,
			      "UDP port %d of %s, to which storaged's RDMA device answers, is "
			      "taken: by another function at this address, or by rdma_rxe, loaded "
			      "in this network namespace",
			      ROCE_PORT, roce_address_text(local, text, sizeof text));
	if (r)
		return refuse(attachment, r, "no UDP socket at %s: %s",
			      roce_address_text(local, text, sizeof text), strerror(-r));
	*local = roce_socket_local(roce->socket);
	return 0;
}

/* Random numbers, so that a process that cannot see the packets cannot guess them. */
static int draw(uint32_t *ret_qpn, uint32_t *ret_psn)
{
	uint32_t random[2];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return -EIO;
	*ret_qpn = 2 + random[0] % (ROCE_PSN_MASK - 2); /* 0, 1 and the last one are special */
	*ret_psn = random[1] & ROCE_PSN_MASK;
	return 0;
}

/* Tell storaged of our end and learn its end. */
static int exchange(const struct attachment *attachment, const struct control_queue_pair *ours,
		    struct control_queue_pair *theirs)
{
	unsigned mtu, rd_atomic;
	int r = attachment->ask(attachment, CONTROL_QUEUE_PAIR, ours, sizeof *ours, theirs,
				sizeof *theirs);

	if (r)
		return r;
	mtu = le16_get(theirs->mtu);
	rd_atomic = le16_get(theirs->rd_atomic);
	if (mtu < ROCE_MTU_MIN || mtu > le16_get(ours->mtu) || (mtu & (mtu - 1)) ||
	    rd_atomic == 0 || rd_atomic > le16_get(ours->rd_atomic) ||
	    le32_get(theirs->qpn) > ROCE_PSN_MASK || le16_get(theirs->port) == 0)
		return refuse(attachment, -EPROTO,
			      "storaged's end of the queue pair makes no sense");
	return 0;
}

/* How much may be under way: what the socket has room for, with the kernel's own bytes for each
 * packet. */
static uint32_t window_of(const struct transport_roce *roce)
{
	uint32_t bytes = roce_socket_buffer_bytes(roce->socket) / 2;

	return bytes < WINDOW_BYTES_MAX ? bytes : WINDOW_BYTES_MAX;
}

/* How long the probe may take, however long the timeout of the session is. */
static int64_t probe_wait_ns(const struct attachment *attachment)
{
	int64_t wait_ns = le32_get(attachment->welcome->ttl_ms) * DSO_MILLISECOND / 4;
	int64_t left_ns = attachment->connect_deadline_ns - clock_now_ns();

	if (wait_ns > attachment->timeout_ns)
		wait_ns = attachment->timeout_ns;
	return wait_ns < left_ns ? wait_ns : left_ns;
}

/* READ the region's first @length_bytes. Returns 0 or a negative errno: then the requester is
 * broken. */
static int probe_read(struct transport_roce *roce, uint8_t *first, uint32_t length_bytes,
		      int64_t wait_ns)
{
	struct op op = {.opcode = DATA_READ, .length_bytes = length_bytes, .buffer = first};
	struct peer_timeout timeout;
	int64_t now_ns;
	int r;

	peer_timeout_begin(&timeout, clock_now_ns(), wait_ns);
	r = roce_submit((struct transport *)roce, &op);
	if (r)
		return r;
	roce_flush((struct transport *)roce);
	while (op.status == -EINPROGRESS) {
		now_ns = clock_now_ns();
		if (peer_timeout_is_over(&timeout, now_ns))
			roce_requester_break(&roce->requester);
		else
			roce_progress((struct transport *)roce, timeout.until_ns - now_ns);
	}
	return op.status;
}

/*
 * Send packets of the greatest length until one is acknowledged. They are duplicates, because
 * nothing may be written yet. Returns 0 or a negative errno.
 */
static int probe_request(struct transport_roce *roce, int64_t wait_ns)
{
	int64_t now_ns = clock_now_ns(), pause_ns = roce->requester.rto_ns, until_ns;
	struct peer_timeout timeout;

	peer_timeout_begin(&timeout, now_ns, wait_ns);
	while (!roce_socket_is_narrow(roce->socket) && !peer_timeout_is_over(&timeout, now_ns)) {
		roce_requester_emit_duplicate(&roce->requester, &roce->batch);
		roce_socket_send(roce->socket, &roce->batch);
		until_ns = now_ns + pause_ns;
		for (; now_ns < until_ns; now_ns = clock_now_ns()) {
			sleep_until(roce, now_ns, until_ns);
			turn(roce, now_ns);
			if (roce->requester.duplicate_acknowledged)
				return 0;
		}
		pause_ns *= 2;
	}
	return -ETIMEDOUT;
}

/* Find out whether packets pass both ways, and whether long ones do, which is not known before.
 * Returns 0, -EMSGSIZE (only short ones do) or another negative errno. */
static int probe(struct transport_roce *roce, const struct attachment *attachment)
{
	const struct roce_requester_config *config = &roce->requester.config;
	int64_t wait_ns = probe_wait_ns(attachment);
	uint8_t first[ROCE_MTU_MAX];
	char text[INET6_ADDRSTRLEN + 8];
	int r;

	roce_address_text(&config->path.remote, text, sizeof text);
	r = probe_read(roce, first, sizeof LAYOUT_MAGIC - 1, wait_ns);
	if (r == 0 && memcmp(first, LAYOUT_MAGIC, sizeof LAYOUT_MAGIC - 1))
		r = -EPROTO;
	if (r)
		return refuse(
			attachment, r == -ECONNRESET ? -ETIMEDOUT : r,
			"no answer of one packet over UDP from %s port %u: a firewall or address "
			"translation on the way",
			text, config->path.remote.port);
	/* The rest of the time is left for packets of another length. */
	r = probe_read(roce, first, config->mtu, wait_ns / 2);
	if (r == 0 && !config->path.to_device)
		r = probe_request(roce, wait_ns / 2);
	if (r)
		return refuse(attachment, -EMSGSIZE,
			      "packets of %u bytes do not pass over UDP to %s port %u and back: "
			      "there is a narrower link on the way",
			      config->mtu, text, config->path.remote.port);
	return 0;
}

/* Connect a queue pair with packets of at most @mtu bytes, and test whether they pass. @config:
 * what is known already. */
static int try_mtu(struct transport_roce *roce, const struct attachment *attachment,
		   struct roce_requester_config *config, uint32_t mtu)
{
	struct control_queue_pair ours = {.rd_atomic = le16_of(ROCE_RD_ATOMIC_MAX)}, theirs;
	int r = draw(&roce->qpn, &config->psn);

	if (r)
		return r;
	memcpy(ours.ip, config->path.local.ip, sizeof ours.ip);
	ours.port = le16_of(config->path.local.port);
	ours.mtu = le16_of((uint16_t)mtu);
	ours.qpn = le32_of(roce->qpn);
	ours.psn = le32_of(config->psn);
	r = exchange(attachment, &ours, &theirs);
	if (r)
		return r;
	if (!is_device(attachment) && memcmp(theirs.ip, config->path.remote.ip, sizeof theirs.ip))
		return refuse(
			attachment, -EADDRNOTAVAIL,
			"storaged has another address than the one it was reached at, which "
			"the packets' checksum covers: there is address translation on the way");
	config->path.remote.port = le16_get(theirs.port);
	config->remote_qpn = le32_get(theirs.qpn);
	config->mtu = le16_get(theirs.mtu);
	config->rkey = le32_get(theirs.rkey);
	config->rd_atomic_max = le16_get(theirs.rd_atomic);
	config->window_bytes_max = window_of(roce);
	roce->region_address = le64_get(theirs.region_address);
	roce->region_bytes = le64_get(attachment->welcome->region_bytes);
	roce->why = NULL;
	roce_requester_init(&roce->requester, config, &roce->counters);
	if (!is_device(attachment)) {
		r = roce_socket_connect(roce->socket, &config->path.remote);
		if (r)
			return refuse(attachment, r, "no way to storaged's UDP port: %s",
				      strerror(-r));
	}
	return probe(roce, attachment);
}

static int connect_queue_pair(struct transport_roce *roce, const struct attachment *attachment)
{
	struct roce_requester_config config = {
		.path.to_device = is_device(attachment),
		.timeout_ns = transport_data_timeout_ns(attachment),
		.complete = complete,
		.context = roce,
	};
	int r = find_remote(attachment, &config.path.remote), mtu;

	if (r)
		return r;
	mtu = roce_route(&config.path.remote, &config.path.local);
	if (mtu < 0)
		return refuse(attachment, mtu, "no way to storaged's address: %s", strerror(-mtu));
	r = open_socket(roce, attachment, &config.path.local);
	if (r)
		return r;
	r = try_mtu(roce, attachment, &config, (uint32_t)mtu);
	if (r == -EMSGSIZE && config.mtu > MTU_EVERYWHERE) {
		roce_socket_forget_narrow(roce->socket);
		r = try_mtu(roce, attachment, &config, MTU_EVERYWHERE);
	}
	if (r == 0 && !is_device(attachment))
		roce_socket_fragment(roce->socket);
	return r;
}

int transport_roce_connect(const struct attachment *attachment, struct transport **ret_transport)
{
	struct transport_roce *roce = calloc(1, sizeof *roce);
	int r;

	if (!roce)
		return -ENOMEM;
	roce->base.ops = &roce_ops;
	roce->health = attachment->health;
	roce->poll = attachment->poll;
	roce->epoll_fd = roce->timer_fd = roce->ready_fd = -1;
	r = connect_queue_pair(roce, attachment);
	if (r) {
		roce_close((struct transport *)roce);
		return r;
	}
	roce->breakage = attachment->breakage;
	*ret_transport = (struct transport *)roce;
	return 0;
}
