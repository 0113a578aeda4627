/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RoCEv2 engine against an RDMA device, each as the requester of the other, over whatever
 * network the caller made between them: tests/rdma/roce does. Prints lines of TAP without numbers.
 *
 *   roce_interop DEVICE ADDRESS NAMESPACE ADDRESS-IN-IT NETWORK [repeating|losing|reordering]
 *
 * NETWORK is its name, for the tests' names; behind it stands what it does where it is not clean.
 * Environment: INTEROP_SEED replays a run, INTEROP_ATOMICS sets how many a test of atomics
 * executes, INTEROP_BYTES_MAX how long the longest READ and WRITE is, INTEROP_ONLY runs the tests
 * with that in their names.
 */
#include "tests/rdma/roce_interop_ends.h"
#include "lib/core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES  64
#define GUARD        0xa5
#define MIXED_BYTES  65536 /* of far memory, which mixed operations are about */
#define MIXED_WORDS  64    /* of which at its end so many words are for atomics */
#define WORDS        4     /* of a test of atomics */
#define RANDOM_SIZES 6
#define SETTLE_NS    INT64_C(8000000) /* longer than any packet is under way here, several times */

static struct lab lab;
static struct pair pair;
static const char *network;
static bool is_bad, is_losing, is_reordering; /* what it does to packets */
static uint64_t atomics_count = 100000;
static uint32_t bytes_max = 4 << 20;
static char why[512];

/* ---- chance ---- */

static uint64_t random_state;

static uint64_t draw(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t draw_below(uint32_t limit)
{
	return (uint32_t)(draw() % limit);
}

static void fill(uint8_t *bytes, size_t count)
{
	uint64_t value;

	for (; count >= sizeof value; count -= sizeof value, bytes += sizeof value) {
		value = draw();
		memcpy(bytes, &value, sizeof value);
	}
	value = draw();
	memcpy(bytes, &value, count);
}

/* ---- what goes wrong ---- */

__attribute__((format(printf, 1, 2))) static bool fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	return false;
}

static bool open_pair(const struct pair_options *options)
{
	const char *failed = pair_open(&pair, &lab, options);

	return failed ? fail("%s", failed) : true;
}

/* Whether the operation ended as one that is not refused. */
static bool is_good(const struct work *work)
{
	const struct roce_request *request = &work->request;

	if (work->is_done && work->outcome == ROCE_DONE)
		return true;
	return fail("operation %d of %u bytes ended with outcome %d, status %s",
		    (int)request->operation, request->length_bytes,
		    work->is_done ? (int)work->outcome : -1, ibv_wc_status_str(work->status));
}

static bool post(struct work *work)
{
	int r = pair_post(&pair, work);

	return r ? fail("an operation is not taken: %s", strerror(-r)) : true;
}

static bool wait_for(uint64_t count)
{
	if (!pair_wait(&pair, count))
		return fail("%lu operations hang", pair.posted - pair.completed);
	return pair.out_of_order ? fail("an operation completed before an older one") : true;
}

static bool is_guard(const uint8_t *bytes)
{
	for (unsigned i = 0; i < GUARD_BYTES; i++)
		if (bytes[i] != GUARD)
			return false;
	return true;
}

/* More PSNs were executed than there are up to the wrap. */
static bool has_wrapped(void)
{
	uint32_t psns = pair_psns(&pair), left = ROCE_PSN_MASK - pair.options.psn;

	return psns > left ? true : fail("PSNs did not wrap: %u of %u", psns, left);
}

/* ---- atomics, and what they do ---- */

/* What the atomic does to @word. Returns the value before. */
static uint64_t apply(const struct roce_request *request, uint64_t *word)
{
	uint64_t before = *word;

	if (request->operation == ROCE_FAA)
		*word += request->operand;
	else if (before == request->operand)
		*word = request->swap;
	return before;
}

/* A random one of the word, which holds @value; one CAS of eight fails. */
static struct work random_atomic(uint32_t offset, uint64_t value)
{
	if (draw() & 1)
		return atomic_work(&lab, ROCE_FAA, offset, draw(), 0);
	return atomic_work(&lab, ROCE_CAS, offset, draw() % 8 ? value : draw(), draw());
}

/* ---- the tests ---- */

struct trial {
	const char *name;
	bool (*run)(const struct trial *trial);
	uint32_t mtu;
	uint32_t rd_atomic;
	uint32_t depth;
	enum direction direction;
};

/*
 * In a network that loses or reorders, the device never gives up. rdma_rxe counts down its retries
 * at each NAK that says what packet is missing, also at one that acknowledges more than the one
 * before, and only asks for an acknowledge, which would start the count anew, every 64 packets:
 * rxe_comp.c, check_ack; rxe_req.c, init_req_packet. So a WRITE of many packets, of which one in
 * twenty is missing, ends with IBV_WC_RETRY_EXC_ERR.
 */
static struct pair_options options_of(const struct trial *trial, uint32_t to_wrap)
{
	return (struct pair_options){.direction = trial->direction,
				     .mtu = trial->mtu,
				     .psn = ROCE_PSN_MASK - draw_below(to_wrap),
				     .rd_atomic = trial->rd_atomic,
				     .single = draw() & 1,
				     .endless = is_losing};
}

/*
 * Before a device asks for a READ of several packets in a network that reorders, let whatever is
 * under way arrive. In Linux 6.12 (not 6.1) an acknowledge of a WRITE that comes late, amid the
 * responses, has rdma_rxe forget that it expects more of them (rxe_comp.c, check_psn and
 * COMPST_UPDATE_COMP); the next one then is an error to it, and the READ completes with
 * IBV_WC_SUCCESS and without the rest of its bytes.
 */
static bool settle_for(const struct work *next)
{
	if (!is_reordering || pair.options.direction == TO_DEVICE ||
	    next->request.operation != ROCE_READ || next->request.length_bytes <= pair.options.mtu)
		return true;
	if (!wait_for(0))
		return false;
	pair_settle(&pair, SETTLE_NS);
	return true;
}

/*
 * Whether the device would not answer the READ again, should its answer be lost: one of no bytes.
 * In Linux 6.12 (not 6.1) rdma_rxe notes 0 as its rkey and drops the same request with another
 * (rxe_resp.c, qp_resp_from_reth and duplicate_request); 6.1 refuses to answer it again with 0
 * (read_reply).
 */
static bool is_lost_for_good(const struct roce_request *request)
{
	return is_losing && pair.options.direction == TO_DEVICE &&
	       request->operation == ROCE_READ && request->length_bytes == 0;
}

/* WRITE @bytes and READ them, both under way at once. */
static bool a_size_holds(uint32_t bytes)
{
	uint8_t *out = lab.near + GUARD_BYTES, *in = out + ARENA_BYTES / 2;
	uint32_t offset = GUARD_BYTES + draw_below(65536);
	uint8_t *far = lab.far + offset;
	struct work write = bytes_work(&lab, ROCE_WRITE, offset, out, bytes);
	struct work read = bytes_work(&lab, ROCE_READ, offset, in, bytes);
	bool reads = !is_lost_for_good(&read.request);

	memset(far - GUARD_BYTES, GUARD, bytes + 2 * GUARD_BYTES);
	memset(in - GUARD_BYTES, GUARD, bytes + 2 * GUARD_BYTES);
	fill(out, bytes);
	if (!post(&write) || !settle_for(&read))
		return false;
	if (reads && !post(&read))
		return false;
	if (!wait_for(0) || !is_good(&write) || (reads && !is_good(&read)))
		return false;
	if (memcmp(far, out, bytes))
		return fail("a WRITE of %u bytes stored others", bytes);
	if (memcmp(in, out, bytes))
		return fail("a READ of %u bytes returned others", bytes);
	if (!is_guard(far - GUARD_BYTES) || !is_guard(far + bytes) || !is_guard(in - GUARD_BYTES) ||
	    !is_guard(in + bytes))
		return fail("bytes around %u were touched", bytes);
	return true;
}

static bool sizes_hold(const struct trial *trial)
{
	uint32_t mtu = trial->mtu;
	const uint32_t sizes[] = {0,   1,       3,   4,       7,     8,       255,    256,
				  257, mtu - 1, mtu, mtu + 1, 65536, 1 << 20, 4 << 20};
	struct pair_options options = options_of(trial, 16);
	bool good = open_pair(&options);

	if (!good)
		return false;
	for (unsigned i = 0; good && i < sizeof sizes / sizeof *sizes; i++)
		if (sizes[i] <= bytes_max)
			good = a_size_holds(sizes[i]);
	for (unsigned i = 0; good && i < RANDOM_SIZES; i++)
		good = a_size_holds(draw_below(i % 2 ? 3 * mtu : 65536));
	good = good && has_wrapped();
	pair_close(&pair);
	return good;
}

/* ---- mixed ---- */

/*
 * A READ that is executed again must not find what was asked for behind it. The engine's requester
 * sees to that itself; a device is to be told by IBV_SEND_FENCE, over which rdma_rxe hangs where
 * packets are lost: rxe_req.c, rxe_wqe_is_fenced, has an operation wait for all READs and atomics
 * under way, and when it is sent again for itself and those behind it, with no timer. So whoever
 * drives the device waits for the READs.
 */
static uint64_t reads_end; /* number of the last READ posted, plus one */

static bool fence(const struct work *next)
{
	if (pair.options.direction == TO_DEVICE || next->request.operation == ROCE_READ)
		return true;
	return reads_end <= pair.completed || wait_for(pair.posted - reads_end);
}

/* An operation under way, with what must come of it. */
struct mixed {
	struct work work;
	uint8_t *buffer;
	uint8_t *expected;
	uint64_t original;
};

static struct mixed mixed[WORKS_MAX];
static uint8_t model[MIXED_BYTES];

static void draw_mixed(const struct trial *trial, struct mixed *next)
{
	uint32_t bytes_end = MIXED_BYTES - 8 * MIXED_WORDS;
	uint32_t bytes = draw_below(3 * trial->mtu), offset = draw_below(bytes_end - bytes);
	uint32_t word_offset = bytes_end + 8 * draw_below(MIXED_WORDS);
	uint64_t word;

	switch (draw_below(4)) {
	case 0:
		next->work = bytes_work(&lab, ROCE_READ, offset, next->buffer, bytes);
		memset(next->buffer, GUARD, bytes);
		memcpy(next->expected, model + offset, bytes);
		return;
	case 1:
		next->work = bytes_work(&lab, ROCE_WRITE, offset, next->buffer, bytes);
		fill(next->buffer, bytes);
		memcpy(model + offset, next->buffer, bytes);
		break;
	default:
		memcpy(&word, model + word_offset, 8);
		next->work = random_atomic(word_offset, word);
		next->original = apply(&next->work.request, &word);
		memcpy(model + word_offset, &word, 8);
		break;
	}
}

static bool check_mixed(const struct mixed *done)
{
	const struct roce_request *request = &done->work.request;

	if (!is_good(&done->work))
		return false;
	if (request->operation == ROCE_READ &&
	    memcmp(done->buffer, done->expected, request->length_bytes))
		return fail("a READ of %u bytes returned others", request->length_bytes);
	if ((request->operation == ROCE_CAS || request->operation == ROCE_FAA) &&
	    done->work.original != done->original)
		return fail("an atomic returned %lx instead of %lx", done->work.original,
			    done->original);
	return true;
}

static bool mix(const struct trial *trial, uint32_t count)
{
	uint32_t checked = 0;

	reads_end = 0;
	fill(model, MIXED_BYTES);
	memcpy(lab.far, model, MIXED_BYTES);
	for (uint32_t i = 0; i < count + trial->depth; i++) {
		struct mixed *next = &mixed[i % trial->depth];

		if (i >= trial->depth) {
			if (!wait_for(pair.posted - ++checked) || !check_mixed(next))
				return false;
		}
		if (i >= count)
			continue;
		do
			draw_mixed(trial, next);
		while (is_lost_for_good(&next->work.request));
		if (!fence(&next->work) || !settle_for(&next->work) || !post(&next->work))
			return false;
		if (next->work.request.operation == ROCE_READ)
			reads_end = pair.posted;
	}
	return memcmp(lab.far, model, MIXED_BYTES) ? fail("the far memory differs in the end")
						   : has_wrapped();
}

static bool mixed_holds(const struct trial *trial)
{
	struct pair_options options = options_of(trial, 400);
	uint32_t each = ARENA_BYTES / WORKS_MAX;
	static uint8_t expected[ARENA_BYTES];
	bool good = open_pair(&options);

	if (!good)
		return false;
	for (unsigned i = 0; i < trial->depth; i++) {
		mixed[i].buffer = lab.near + i * each;
		mixed[i].expected = expected + i * each;
	}
	good = mix(trial, is_bad ? 500 : 2000);
	pair_close(&pair);
	return good;
}

/* ---- atomics alone ---- */

static bool execute_atomics(const struct trial *trial, uint64_t values[WORDS])
{
	static struct work works[WORKS_MAX];
	static uint64_t originals[WORKS_MAX];
	uint64_t checked = 0;

	for (uint64_t i = 0; i < atomics_count + trial->depth; i++) {
		struct work *work = &works[i % trial->depth];
		uint64_t *original = &originals[i % trial->depth];
		uint32_t word = draw_below(WORDS);

		if (i >= trial->depth) {
			if (!wait_for(pair.posted - ++checked) || !is_good(work))
				return false;
			if (work->original != *original)
				return fail("atomic %lu returned %lx instead of %lx", checked - 1,
					    work->original, *original);
		}
		if (i >= atomics_count)
			continue;
		*work = random_atomic(8 * word, values[word]);
		*original = apply(&work->request, &values[word]);
		if (!post(work))
			return false;
	}
	return true;
}

static bool atomics_are_exact(const struct trial *trial)
{
	struct pair_options options = options_of(trial, (uint32_t)atomics_count / 2);
	uint64_t values[WORDS];
	bool good;

	memset(lab.far, GUARD, 8 * WORDS + GUARD_BYTES);
	fill((uint8_t *)values, sizeof values);
	memcpy(lab.far, values, sizeof values);
	if (!open_pair(&options))
		return false;
	good = execute_atomics(trial, values);
	if (good && (memcmp(lab.far, values, sizeof values) || !is_guard(lab.far + sizeof values)))
		good = fail("the words differ in the end");
	if (good && pair_psns(&pair) != atomics_count)
		good = fail("%u PSNs were executed for %lu atomics", pair_psns(&pair),
			    atomics_count);
	good = good && has_wrapped();
	pair_close(&pair);
	return good;
}

/* ---- refusals ---- */

#define ACCESS  ROCE_REFUSED_ACCESS
#define REQUEST ROCE_REFUSED_REQUEST

/* Beside enum roce_access: the rights that are denied. */
#define WRONG_RKEY   8u
#define LONG_PACKETS 16u

static const struct refusal {
	const char *name;
	enum roce_operation operation;
	uint32_t offset, bytes;
	unsigned fault;
	enum roce_outcome outcome[2]; /* TO_DEVICE, FROM_DEVICE; ROCE_DONE: not to be tried */
} refusals[] = {
	{"a READ with a wrong rkey", ROCE_READ, 64, 8, WRONG_RKEY, {ACCESS, ACCESS}},
	{"a WRITE with a wrong rkey", ROCE_WRITE, 64, 3000, WRONG_RKEY, {ACCESS, ACCESS}},
	{"a CAS with a wrong rkey", ROCE_CAS, 64, 8, WRONG_RKEY, {ACCESS, ACCESS}},
	{"an FAA with a wrong rkey", ROCE_FAA, 64, 8, WRONG_RKEY, {ACCESS, ACCESS}},
	{"a READ beyond the end", ROCE_READ, ARENA_BYTES - 9999, 10000, 0, {ACCESS, ACCESS}},
	{"a WRITE beyond the end", ROCE_WRITE, ARENA_BYTES - 9999, 10000, 0, {ACCESS, ACCESS}},
	{"an FAA right behind the end", ROCE_FAA, ARENA_BYTES, 8, 0, {ACCESS, ACCESS}},
	/* The device's own driver refuses to send it. */
	{"a misaligned FAA", ROCE_FAA, 68, 8, 0, {REQUEST, ROCE_DONE}},
	{"a misaligned CAS", ROCE_CAS, 65, 8, 0, {REQUEST, ROCE_DONE}},
	/* A device looks at the queue pair's rights first, which is another code. */
	{"a WRITE without the right", ROCE_WRITE, 64, 100, ROCE_ACCESS_WRITE, {REQUEST, ACCESS}},
	{"an FAA without the right", ROCE_FAA, 64, 8, ROCE_ACCESS_ATOMIC, {REQUEST, ACCESS}},
	{"packets beyond the path MTU", ROCE_WRITE, 64, 1000, LONG_PACKETS, {ROCE_DONE, REQUEST}},
};

static unsigned exact_count; /* refusals with the outcome that they have where nothing is lost */

/*
 * One that is good, the one that is refused, and two that the queue pair does not live to execute.
 * The good one has no bytes, so that its rkey does not matter; nor is it a READ where the rkey is
 * wrong, since rdma_rxe looks it up when it answers a READ again (rxe_resp.c, read_reply).
 */
static bool is_refused(const struct refusal *refusal)
{
	bool has_bytes = refusal->operation == ROCE_READ || refusal->operation == ROCE_WRITE;
	enum roce_outcome expected = refusal->outcome[pair.options.direction];
	struct work works[4] = {
		bytes_work(&lab, refusal->fault & ROCE_ACCESS_WRITE ? ROCE_READ : ROCE_WRITE, 0,
			   lab.near, 0),
		has_bytes ? bytes_work(&lab, refusal->operation, refusal->offset, lab.near,
				       refusal->bytes)
			  : atomic_work(&lab, refusal->operation, refusal->offset, 0, 1),
		atomic_work(&lab, ROCE_FAA, 0, 1, 0),
		bytes_work(&lab, ROCE_WRITE, 64, lab.near, 64),
	};

	memset(lab.far, GUARD, 8192);
	memset(lab.far + ARENA_BYTES - 16384, GUARD, 16384);
	memset(lab.near, 0, 16384);
	for (unsigned i = 0; i < 4; i++)
		if (!post(&works[i]))
			return false;
	if (!wait_for(0))
		return false;
	exact_count += works[1].outcome == expected;
	/* A refusal is said once and may be lost; then the requester gives up. */
	if (works[1].outcome != expected &&
	    (!is_losing || (works[1].outcome != ROCE_UNKNOWN && works[0].outcome == ROCE_DONE)))
		return fail("%s: outcome %d instead of %d, status %s", refusal->name,
			    works[1].outcome, expected, ibv_wc_status_str(works[1].status));
	if (works[0].outcome != ROCE_DONE && (!is_losing || works[0].outcome != ROCE_UNKNOWN))
		return fail("%s: the one before it ended with %d", refusal->name, works[0].outcome);
	for (unsigned i = 2; i < 4; i++)
		if (works[i].outcome != ROCE_UNKNOWN && works[i].outcome != ROCE_NEVER_SENT)
			return fail("%s: one behind it ended with %d", refusal->name,
				    works[i].outcome);
	for (unsigned i = 0; i < 8192; i += GUARD_BYTES)
		if (!is_guard(lab.far + i) || !is_guard(lab.far + ARENA_BYTES - 8192 + i))
			return fail("%s: memory was touched", refusal->name);
	return true;
}

static bool refusals_are_heard(const struct trial *trial)
{
	bool good = true;

	exact_count = 0;
	for (unsigned i = 0; good && i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *refusal = &refusals[i];
		struct pair_options options = options_of(trial, 4);

		if (refusal->outcome[trial->direction] == ROCE_DONE)
			continue;
		options.wrong_rkey = refusal->fault & WRONG_RKEY;
		options.denied = refusal->fault & (WRONG_RKEY - 1);
		options.mtu_responder = refusal->fault & LONG_PACKETS ? ROCE_MTU_MIN : 0;
		options.endless = false;
		good = open_pair(&options);
		if (!good)
			break;
		good = is_refused(refusal);
		pair_close(&pair);
	}
	if (good && exact_count == 0)
		return fail("no refusal was heard");
	return good;
}

/* ---- the list ---- */

#define SIZES   "READs and WRITEs of all sizes are exact"
#define MIXED   "READ, WRITE, CAS and FAA mixed in a pipeline are exact"
#define ATOMICS "FAAs and CASes in a pipeline are exact, each value before too"
#define REFUSED "what is refused ends with the right outcome and touches nothing"

static const struct trial clean[] = {
	{SIZES, sizes_hold, 256, 16, 2},
	{SIZES, sizes_hold, 1024, 1, 2},
	{SIZES, sizes_hold, 4096, 128, 2},
	{MIXED, mixed_holds, 256, 4, 32},
	{MIXED, mixed_holds, 1024, 16, 64},
	{ATOMICS, atomics_are_exact, 1024, 128, 128},
	{REFUSED, refusals_are_heard, 1024, 16, 4},
};

static const struct trial bad[] = {
	{SIZES, sizes_hold, 1024, 16, 2}, /* up to 64 KiB */
	{MIXED, mixed_holds, 256, 16, 64},          {MIXED, mixed_holds, 1024, 4, 16},
	{ATOMICS, atomics_are_exact, 1024, 16, 64}, {REFUSED, refusals_are_heard, 1024, 16, 4},
};

static void say_counters(void)
{
	printf("# ");
	for (unsigned i = 0; i < ROCE_COUNTER_COUNT; i++)
		if (roce_counter_get(&pair.counters, i))
			printf(" %s=%lu", roce_counter_name(i),
			       roce_counter_get(&pair.counters, i));
	putchar('\n');
}

static bool try(const struct trial *trial, uint64_t seed)
{
	static const char *const directions[] = {"engine to device", "device to engine"};
	int64_t begin_ns = clock_now_ns();
	const char *only = getenv("INTEROP_ONLY");
	char name[256];
	bool good;

	snprintf(name, sizeof name, "%s, %s, MTU %u: %s", network, directions[trial->direction],
		 trial->mtu, trial->name);
	if (only && !strstr(name, only))
		return true;
	/* A trial can be replayed without those before it. */
	random_state = seed;
	good = trial->run(trial);
	printf("%s - %s\n", good ? "ok" : "not ok", name);
	printf("# %.1f s, PSN from %#x, %u READs and atomics, the engine was late by %.1f ms at "
	       "most\n",
	       (double)(clock_now_ns() - begin_ns) / 1e9, pair.options.psn, trial->rd_atomic,
	       (double)pair.unserved_ns / 1e6);
	if (!good)
		printf("# seed %lu: %s\n", seed, why);
	say_counters();
	fflush(stdout);
	return good;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	uint64_t seed = setting("INTEROP_SEED", (uint64_t)clock_now_ns());
	const struct trial *trials;
	const char *failed;
	bool good = true;
	size_t count;

	if (argc < 6) {
		fprintf(stderr, "usage: roce_interop DEVICE ADDRESS NAMESPACE ADDRESS-IN-IT "
				"NETWORK [repeating|losing|reordering]\n");
		return 2;
	}
	network = argv[5];
	is_bad = argc > 6;
	is_reordering = is_bad && !strcmp(argv[6], "reordering");
	is_losing = is_reordering || (is_bad && !strcmp(argv[6], "losing"));
	trials = is_bad ? bad : clean;
	count = is_bad ? sizeof bad / sizeof *bad : sizeof clean / sizeof *clean;
	atomics_count = setting("INTEROP_ATOMICS", is_bad ? 2000 : atomics_count);
	bytes_max = (uint32_t)setting("INTEROP_BYTES_MAX", is_bad ? 65536 : bytes_max);
	failed = lab_open(&lab, argv[1], argv[2], argv[3], argv[4]);
	if (failed) {
		printf("not ok - %s: the ends can be made\n# %s\n", network, failed);
		return 1;
	}
	printf("# INTEROP_SEED=%lu\n", seed);
	for (size_t i = 0; i < 2 * count; i++) {
		struct trial trial = trials[i / 2];

		trial.direction = i % 2 ? FROM_DEVICE : TO_DEVICE;
		good &= try(&trial, seed);
	}
	return good ? 0 : 1;
}
