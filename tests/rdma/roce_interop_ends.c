/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/rdma/roce_interop_ends.h"
#include "lib/core/clock.h"
#include "lib/roce/arrival.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HANG_TIMEOUT_NS INT64_C(60000000000)
#define TIMEOUT_NS      INT64_C(3000000000) /* of the engine's requester at its worst */
#define WINDOW_BYTES    (512 << 10)
/* Fruitless looks before the thread sleeps. */
#define LOOKS 64

/* The device's timer, 4.096 us * 2^TIMEOUT, and how often it expires. 7 times are without end to
 * rdma_rxe. Where it is not, the engine must not be late that often even on a loaded host that
 * emulates the machine. */
#define DEVICE_TIMEOUT         14
#define DEVICE_RETRIES         6
#define DEVICE_TIMEOUT_ENDLESS 12
#define DEVICE_RETRIES_ENDLESS 7

/* ---- the lab ---- */

static bool parse(const char *text, uint16_t port, struct roce_address *ret_address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return false;
	roce_address_from((struct sockaddr *)&in, ret_address);
	return true;
}

/* rdma_rxe has the port in its own namespace: open it in @space. */
static int open_socket(struct lab *lab, const char *space)
{
	struct roce_socket_options options = {.local = &lab->engine};
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(space, O_RDONLY | O_CLOEXEC), r;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET))
		return -errno;
	r = roce_socket_open(&options, &lab->socket);
	if (setns(home, CLONE_NEWNET))
		abort();
	close(home);
	close(there);
	return r;
}

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	for (unsigned i = 0; devices && devices[i]; i++)
		if (!strcmp(ibv_get_device_name(devices[i]), name))
			context = ibv_open_device(devices[i]);
	if (devices)
		ibv_free_device_list(devices);
	return context;
}

/* The index of the RoCE v2 GID that is @address. */
static int find_gid(struct ibv_context *context, const struct roce_address *address)
{
	struct ibv_gid_entry entry;

	for (uint32_t i = 0; i < 256; i++)
		if (!ibv_query_gid_ex(context, 1, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(entry.gid.raw, address->ip, sizeof address->ip))
			return (int)i;
	return -1;
}

static uint8_t *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static struct ibv_mr *give(struct lab *lab, void *at, size_t bytes, int access)
{
	return at ? ibv_reg_mr(lab->pd, at, bytes, access) : NULL;
}

const char *lab_open(struct lab *lab, const char *name, const char *device, const char *space,
		     const char *engine)
{
	int everything = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE |
			 IBV_ACCESS_REMOTE_ATOMIC;

	*lab = (struct lab){0};
	if (!parse(device, ROCE_PORT, &lab->device) || !parse(engine, ROCE_PORT, &lab->engine))
		return "an IPv4 address is none";
	lab->context = open_device(name);
	if (!lab->context)
		return "there is no such device";
	lab->gid_index = find_gid(lab->context, &lab->device);
	if (lab->gid_index < 0)
		return "the device has no RoCE v2 GID of the address";
	lab->pd = ibv_alloc_pd(lab->context);
	lab->cq = ibv_create_cq(lab->context, 2 * WORKS_MAX, NULL, NULL, 0);
	if (!lab->pd || !lab->cq)
		return "the device gives no protection domain or completion queue";
	lab->near = map(ARENA_BYTES);
	lab->far = map(ARENA_BYTES);
	lab->results = (uint64_t *)(void *)map(WORKS_MAX * sizeof *lab->results);
	lab->near_mr = give(lab, lab->near, ARENA_BYTES, IBV_ACCESS_LOCAL_WRITE);
	lab->far_mr = give(lab, lab->far, ARENA_BYTES, everything);
	lab->results_mr =
		give(lab, lab->results, WORKS_MAX * sizeof *lab->results, IBV_ACCESS_LOCAL_WRITE);
	if (!lab->near_mr || !lab->far_mr || !lab->results_mr)
		return "the device registers no memory";
	return open_socket(lab, space) ? "no UDP socket in the namespace" : NULL;
}

/* ---- the engine's memory, as a responder ---- */

static void far_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	memcpy(buffer, (uint8_t *)context + offset, bytes);
}

static void far_write(void *context, uint64_t offset, const void *buffer, uint32_t bytes)
{
	memcpy((uint8_t *)context + offset, buffer, bytes);
}

static uint64_t *word_at(void *context, uint64_t offset)
{
	return (uint64_t *)(void *)((uint8_t *)context + offset);
}

static uint64_t far_compare_swap(void *context, uint64_t offset, uint64_t compare, uint64_t swap)
{
	__atomic_compare_exchange_n(word_at(context, offset), &compare, swap, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return compare;
}

static uint64_t far_fetch_add(void *context, uint64_t offset, uint64_t addend)
{
	return __atomic_fetch_add(word_at(context, offset), addend, __ATOMIC_SEQ_CST);
}

static const struct roce_memory_ops far_ops = {far_read, far_write, far_compare_swap,
					       far_fetch_add};

/* ---- opening a pair ---- */

static enum ibv_mtu mtu_of(uint32_t bytes)
{
	enum ibv_mtu mtu = IBV_MTU_256;

	for (; bytes > 256; bytes /= 2)
		mtu++;
	return mtu;
}

static struct ibv_qp *make_qp(const struct lab *lab)
{
	struct ibv_qp_init_attr attributes = {
		.send_cq = lab->cq,
		.recv_cq = lab->cq,
		.cap = {WORKS_MAX, 1, 1, 1, 0},
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};

	return ibv_create_qp(lab->pd, &attributes);
}

static int to_init(const struct pair *pair)
{
	unsigned denied = pair->options.denied;
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_INIT,
		.port_num = 1,
		.qp_access_flags =
			(denied & ROCE_ACCESS_READ ? 0u : (unsigned)IBV_ACCESS_REMOTE_READ) |
			(denied & ROCE_ACCESS_WRITE ? 0u : (unsigned)IBV_ACCESS_REMOTE_WRITE) |
			(denied & ROCE_ACCESS_ATOMIC ? 0u : (unsigned)IBV_ACCESS_REMOTE_ATOMIC),
	};

	return ibv_modify_qp(pair->qp, &attributes,
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int to_ready(const struct pair *pair)
{
	const struct pair_options *options = &pair->options;
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu_of(options->mtu),
		.dest_qp_num = pair->qpn,
		.rq_psn = options->psn,
		.max_dest_rd_atomic = (uint8_t)options->rd_atomic,
		.min_rnr_timer = 12,
		.ah_attr = {.grh = {.sgid_index = (uint8_t)pair->lab->gid_index, .hop_limit = 64},
			    .is_global = 1,
			    .port_num = 1},
	};

	memcpy(attributes.ah_attr.grh.dgid.raw, pair->lab->engine.ip, sizeof(union ibv_gid));
	return ibv_modify_qp(pair->qp, &attributes,
			     IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				     IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				     IBV_QP_MIN_RNR_TIMER);
}

static int to_send(const struct pair *pair)
{
	bool endless = pair->options.endless;
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTS,
		.sq_psn = pair->options.psn,
		.max_rd_atomic = (uint8_t)pair->options.rd_atomic,
		.timeout = endless ? DEVICE_TIMEOUT_ENDLESS : DEVICE_TIMEOUT,
		.retry_cnt = endless ? DEVICE_RETRIES_ENDLESS : DEVICE_RETRIES,
		.rnr_retry = 7,
	};

	return ibv_modify_qp(pair->qp, &attributes,
			     IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				     IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original);

static void begin_requester(struct pair *pair, const struct roce_path *path)
{
	struct roce_requester_config config = {
		.path = *path,
		.remote_qpn = pair->qp->qp_num,
		.psn = pair->options.psn,
		.mtu = pair->options.mtu,
		.rkey = pair->lab->far_mr->rkey ^ pair->options.wrong_rkey,
		.rd_atomic_max = pair->options.rd_atomic,
		.window_bytes_max = WINDOW_BYTES,
		.timeout_ns = TIMEOUT_NS,
		.complete = complete,
		.context = pair,
	};
	uint32_t room_bytes = roce_socket_buffer_bytes(pair->lab->socket) / 2;

	if (config.window_bytes_max > room_bytes)
		config.window_bytes_max = room_bytes;
	roce_requester_init(&pair->requester, &config, &pair->counters);
}

static void begin_responder(struct pair *pair, const struct roce_path *path)
{
	const struct pair_options *options = &pair->options;
	struct roce_responder_config config = {
		.path = *path,
		.memory = {.ops = &far_ops,
			   .context = pair->lab->far,
			   .address = (uintptr_t)pair->lab->far,
			   .bytes = ARENA_BYTES,
			   .rkey = pair->lab->far_mr->rkey,
			   .access = (ROCE_ACCESS_READ | ROCE_ACCESS_WRITE | ROCE_ACCESS_ATOMIC) &
				     ~options->denied},
		.remote_qpn = pair->qp->qp_num,
		.psn = options->psn,
		.mtu = options->mtu_responder ? options->mtu_responder : options->mtu,
		.replay_count = options->rd_atomic,
	};

	roce_responder_init(&pair->responder, &config, &pair->counters);
}

const char *pair_open(struct pair *pair, struct lab *lab, const struct pair_options *options)
{
	static uint32_t qpn = 0x1000; /* packets of pairs before are those of an unknown one */
	struct roce_path path = {.local = lab->engine, .remote = lab->device, .to_device = true};

	*pair = (struct pair){.lab = lab, .options = *options, .qpn = qpn++};
	pair->batch.single = options->single;
	pair->qp = make_qp(lab);
	if (!pair->qp)
		return "the device makes no queue pair";
	if (options->direction == TO_DEVICE)
		begin_requester(pair, &path);
	else
		begin_responder(pair, &path);
	if (!to_init(pair) && !to_ready(pair) && !to_send(pair))
		return NULL;
	ibv_destroy_qp(pair->qp);
	return "the device's queue pair does not become ready";
}

void pair_close(struct pair *pair)
{
	struct ibv_wc wc;

	ibv_destroy_qp(pair->qp);
	while (ibv_poll_cq(pair->lab->cq, 1, &wc) > 0)
		;
}

/* ---- operations ---- */

struct work bytes_work(const struct lab *lab, enum roce_operation operation, uint32_t offset,
		       uint8_t *buffer, uint32_t bytes)
{
	return (struct work){.request = {.operation = operation,
					 .length_bytes = bytes,
					 .address = (uintptr_t)lab->far + offset,
					 .buffer = buffer}};
}

struct work atomic_work(const struct lab *lab, enum roce_operation operation, uint32_t offset,
			uint64_t operand, uint64_t swap)
{
	return (struct work){.request = {.operation = operation,
					 .length_bytes = 8,
					 .address = (uintptr_t)lab->far + offset,
					 .operand = operand,
					 .swap = swap}};
}

static void complete_work(struct pair *pair, struct work *work, enum roce_outcome outcome,
			  uint64_t original)
{
	pair->out_of_order |= pair->works[pair->completed++ % WORKS_MAX] != work;
	work->is_done = true;
	work->outcome = outcome;
	work->original = original;
}

static void complete(void *context, const struct roce_request *request, enum roce_outcome outcome,
		     uint64_t original)
{
	complete_work(context, request->owner, outcome, original);
}

static int post_to_device(struct pair *pair, struct work *work)
{
	work->request.owner = work;
	return roce_requester_post(&pair->requester, &work->request);
}

static int post_by_device(struct pair *pair, struct work *work)
{
	static const enum ibv_wr_opcode opcodes[] = {[ROCE_READ] = IBV_WR_RDMA_READ,
						     [ROCE_WRITE] = IBV_WR_RDMA_WRITE,
						     [ROCE_CAS] = IBV_WR_ATOMIC_CMP_AND_SWP,
						     [ROCE_FAA] = IBV_WR_ATOMIC_FETCH_AND_ADD};
	const struct roce_request *request = &work->request;
	uint32_t rkey = pair->lab->far_mr->rkey ^ pair->options.wrong_rkey;
	struct ibv_sge part = {(uintptr_t)request->buffer, request->length_bytes,
			       pair->lab->near_mr->lkey};
	struct ibv_send_wr wr = {.wr_id = (uintptr_t)work,
				 .sg_list = &part,
				 .num_sge = 1,
				 .opcode = opcodes[request->operation]};
	struct ibv_send_wr *bad;

	if (request->operation == ROCE_READ || request->operation == ROCE_WRITE) {
		wr.wr.rdma.remote_addr = request->address;
		wr.wr.rdma.rkey = rkey;
	} else {
		part = (struct ibv_sge){(uintptr_t)&pair->lab->results[pair->posted % WORKS_MAX], 8,
					pair->lab->results_mr->lkey};
		wr.wr.atomic.remote_addr = request->address;
		wr.wr.atomic.rkey = rkey;
		wr.wr.atomic.compare_add = request->operand;
		wr.wr.atomic.swap = request->swap;
	}
	return -ibv_post_send(pair->qp, &wr, &bad);
}

int pair_post(struct pair *pair, struct work *work)
{
	int r;

	work->is_done = false;
	pair->works[pair->posted % WORKS_MAX] = work;
	r = pair->options.direction == TO_DEVICE ? post_to_device(pair, work)
						 : post_by_device(pair, work);
	pair->posted += r == 0;
	return r;
}

static enum roce_outcome outcome_of(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_SUCCESS:
		return ROCE_DONE;
	case IBV_WC_REM_ACCESS_ERR:
		return ROCE_REFUSED_ACCESS;
	case IBV_WC_REM_INV_REQ_ERR:
		return ROCE_REFUSED_REQUEST;
	case IBV_WC_REM_OP_ERR:
		return ROCE_REFUSED_OPERATION;
	default:
		return ROCE_UNKNOWN;
	}
}

static void poll_device(struct pair *pair)
{
	struct ibv_wc wcs[16];
	int count = ibv_poll_cq(pair->lab->cq, 16, wcs);

	for (int i = 0; i < count; i++) {
		struct work *work = (struct work *)(uintptr_t)wcs[i].wr_id;
		uint64_t original = pair->lab->results[pair->completed % WORKS_MAX];

		work->status = wcs[i].status;
		complete_work(pair, work, outcome_of(wcs[i].status), original);
	}
}

/* ---- progress ---- */

struct arrival {
	struct pair *pair;
	int64_t now_ns;
};

static void take(void *context, const struct roce_address *source, const uint8_t *bytes,
		 size_t count)
{
	struct arrival *arrival = context;
	struct pair *pair = arrival->pair;
	bool to_device = pair->options.direction == TO_DEVICE;
	struct roce_packet packet;

	if (!roce_arrival_decode(bytes, count, &packet, &pair->counters))
		return;
	if (packet.qpn != pair->qpn) {
		pair->counters.dropped_unknown_queue_pair++;
		return;
	}
	if (!roce_arrival_holds(to_device ? &pair->requester.config.path
					  : &pair->responder.config.path,
				source, bytes, count, &pair->counters))
		return;
	if (to_device) {
		roce_requester_receive(&pair->requester, arrival->now_ns, &packet);
		return;
	}
	if (!roce_batch_has_room(&pair->batch, ROCE_RESPONDER_ROOM))
		roce_socket_send(pair->lab->socket, &pair->batch);
	roce_responder_receive(&pair->responder, &packet, &pair->batch);
}

/* Serve the engine once. Returns whether there was anything. */
static bool turn(struct pair *pair)
{
	struct arrival arrival = {pair, clock_now_ns()};
	bool any = roce_socket_receive(pair->lab->socket, take, &arrival) > 0, more;

	if (pair->served_ns && arrival.now_ns - pair->served_ns > pair->unserved_ns)
		pair->unserved_ns = arrival.now_ns - pair->served_ns;
	pair->served_ns = arrival.now_ns;
	if (pair->options.direction == TO_DEVICE) {
		roce_requester_tick(&pair->requester, arrival.now_ns);
		while (roce_requester_emit(&pair->requester, arrival.now_ns, &pair->batch))
			roce_socket_send(pair->lab->socket, &pair->batch);
		return any;
	}
	more = roce_responder_finish(&pair->responder, &pair->batch);
	roce_socket_send(pair->lab->socket, &pair->batch);
	poll_device(pair);
	return any || more;
}

static void idle(struct pair *pair, unsigned looks)
{
	struct pollfd readable = {.fd = roce_socket_fd(pair->lab->socket), .events = POLLIN};
	struct timespec wait = {.tv_nsec = 100000};

	if (looks < LOOKS)
		sched_yield();
	else
		ppoll(&readable, 1, &wait, NULL);
}

bool pair_wait(struct pair *pair, uint64_t count)
{
	uint64_t completed = pair->completed;
	int64_t until_ns = clock_now_ns() + HANG_TIMEOUT_NS;
	unsigned looks = 0;

	turn(pair);
	while (pair->posted - pair->completed > count) {
		if (turn(pair))
			looks = 0;
		else
			idle(pair, looks++);
		if (pair->completed != completed) {
			completed = pair->completed;
			until_ns = clock_now_ns() + HANG_TIMEOUT_NS;
		} else if (clock_now_ns() > until_ns) {
			return false;
		}
	}
	return true;
}

void pair_settle(struct pair *pair, int64_t ns)
{
	int64_t until_ns = clock_now_ns() + ns;

	while (clock_now_ns() < until_ns)
		if (!turn(pair))
			idle(pair, LOOKS);
}

uint32_t pair_psns(struct pair *pair)
{
	struct ibv_qp_attr attributes = {0};
	struct ibv_qp_init_attr initial;
	uint32_t psn = pair->responder.psn;

	if (pair->options.direction == TO_DEVICE) {
		ibv_query_qp(pair->qp, &attributes, IBV_QP_RQ_PSN, &initial);
		psn = attributes.rq_psn;
	}
	return (psn - pair->options.psn) & ROCE_PSN_MASK;
}
