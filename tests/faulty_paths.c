/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storaged that gives wrong data paths: the descriptor and the size of the arena over shm, the
 * far end of a queue pair over roce. The library says a sentence, keeps no descriptor, and reaches
 * nothing that it was not given.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/layout.h"
#include "tests/play.h"
#include "tests/runner.h"

#define REGION_BYTES   65536
#define OBJECT         4096
#define CAPACITY_BYTES 64

/* What is passed as the arena. */
enum file {
	SEALED,
	NOTHING,
	UNSEALED,
	GROWN_SEALED, /* which may be shortened */
	REGULAR_FILE,
	DEVICE,
	PIPE,
	DIRECTORY,
	READ_ONLY,
	SEALED_AGAINST_WRITES,
};

/* What is passed as the lease. */
enum lease {
	MAPPABLE,
	NO_LEASE,
	SEALED_LEASE, /* storaged has found it not mapped */
};

/* One fault; zeroes are the truth. */
static const struct fault {
	const char *name;
	enum file file;
	enum lease lease;
	uint64_t file_bytes, region_bytes; /* 0: REGION_BYTES */
	struct control_queue_pair pair;
	uint32_t pair_bytes;
} over_shm[] =
	{
		{.name = "no descriptor", .file = NOTHING},
		{.name = "an unsealed file", .file = UNSEALED},
		{.name = "a file that may shrink", .file = GROWN_SEALED},
		{.name = "a regular file", .file = REGULAR_FILE},
		{.name = "a device", .file = DEVICE},
		{.name = "a pipe", .file = PIPE},
		{.name = "a directory", .file = DIRECTORY},
		{.name = "a file that is not to be written to", .file = READ_ONLY},
		{.name = "a file sealed against writes", .file = SEALED_AGAINST_WRITES},
		{.name = "a file that is too short", .file_bytes = 4096},
		{.name = "no lease", .lease = NO_LEASE},
		{.name = "a lease that is over", .lease = SEALED_LEASE},
		{.name = "a region longer than its file", .region_bytes = REGION_BYTES + 1},
		{.name = "a region longer than any", .region_bytes = UINT64_MAX},
},
  over_roce[] = {
	  {.name = "no port", .pair = {.mtu = {{0, 4}}, .rd_atomic = {{1, 0}}}},
	  {.name = "packets of nothing", .pair = {.port = {{9, 0}}, .rd_atomic = {{1, 0}}}},
	  {.name = "packets of 257 bytes",
	   .pair = {.port = {{9, 0}}, .mtu = {{1, 1}}, .rd_atomic = {{1, 0}}}},
	  {.name = "packets longer than asked for",
	   .pair = {.port = {{9, 0}}, .mtu = {{0, 128}}, .rd_atomic = {{1, 0}}}},
	  {.name = "no READ under way", .pair = {.port = {{9, 0}}, .mtu = {{0, 4}}}},
	  {.name = "more READs under way than asked for",
	   .pair = {.port = {{9, 0}}, .mtu = {{0, 4}}, .rd_atomic = {{255, 255}}}},
	  {.name = "a number of 25 bits",
	   .pair = {.port = {{9, 0}},
		    .mtu = {{0, 4}},
		    .rd_atomic = {{1, 0}},
		    .qpn = {{0, 0, 0, 1}}}},
	  {.name = "another address",
	   .pair = {.ip = {[15] = 1}, .port = {{9, 0}}, .mtu = {{0, 4}}, .rd_atomic = {{1, 0}}}},
	  {.name = "half an end", .pair_bytes = 24},
};

static const struct fault *fault;
static char unix_url[160];
static const char *tcp_url;

static int pass_file(enum file file)
{
	int seals = file == UNSEALED                ? 0
		    : file == GROWN_SEALED          ? F_SEAL_GROW
		    : file == SEALED_AGAINST_WRITES ? F_SEAL_SHRINK | F_SEAL_WRITE
						    : F_SEAL_SHRINK;
	int ends[2] = {-1, -1}, fd;
	char path[32];

	if (file == REGULAR_FILE)
		fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	else if (file == DEVICE)
		return open("/dev/zero", O_RDWR);
	else if (file == DIRECTORY)
		return open("/tmp", O_RDONLY);
	else if (file == PIPE)
		return pipe(ends) || close(ends[1]) ? -1 : ends[0];
	else
		fd = memfd_create("arena", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, fault->file_bytes ? (off_t)fault->file_bytes : REGION_BYTES) ||
	    (file != REGULAR_FILE && fcntl(fd, F_ADD_SEALS, seals)))
		abort();
	if (file == READ_ONLY) {
		int writable = fd;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		fd = open(path, O_RDONLY);
		close(writable);
	}
	return fd;
}

/* ---- a future whose value is there ---- */

/* What is wrong with its slot; zeroes: nothing. */
static struct damage {
	uint64_t version, length_bytes, checksum, header_checksum; /* added to the true ones */
} damage;

static void write_future(int fd)
{
	static const char value[] = "value";
	uint64_t done = OWNED_DONE;
	struct register_slot slot = {
		.version = le64_of(1 + damage.version),
		.length_bytes = le64_of(sizeof value + damage.length_bytes),
		.checksum = le64_of(XXH3_64bits_withSeed(value, sizeof value, 1) + damage.checksum),
	};

	slot.header_checksum =
		le64_of(XXH3_64bits(&slot, offsetof(struct register_slot, header_checksum)) +
			damage.header_checksum);
	if (pwrite(fd, &done, sizeof done, OBJECT + FUTURE_WORD_OFFSET) != sizeof done ||
	    pwrite(fd, &slot, sizeof slot, OBJECT + FUTURE_SLOT_OFFSET) != sizeof slot ||
	    pwrite(fd, value, sizeof value, OBJECT + FUTURE_SLOT_OFFSET + sizeof slot) !=
		    sizeof value)
		abort();
}

static void opened(int fd, const struct control_header *request)
{
	struct control_opened body = {
		.offset = le64_of(OBJECT),
		.length_bytes = le64_of(FUTURE_SLOT_OFFSET + REGISTER_SLOT_BYTES(CAPACITY_BYTES)),
		.generation = le32_of(1),
		.handle = le32_of(1)};

	body.parameters.parameter[FUTURE_PARAMETER_CAPACITY] = le64_of(CAPACITY_BYTES);
	body.parameters.parameter[FUTURE_PARAMETER_ROOM] = le64_of(CAPACITY_BYTES);
	reply(fd, request, WIRE_OK, &body, sizeof body);
}

static int pass_lease(enum lease lease)
{
	int fd = memfd_create("lease", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_ADD_SEALS, lease == SEALED_LEASE ? F_SEAL_WRITE : F_SEAL_GROW))
		abort();
	return fd;
}

/* ---- the faulty storaged ---- */

static void attached(int socket_fd, const struct control_header *request)
{
	struct control_header header =
		control_header_of(CONTROL_ATTACH, WIRE_OK, le32_get(request->request), 0);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} rights = {0};
	size_t bytes = (fault->lease == NO_LEASE ? 1 : 2) * sizeof(int);
	struct iovec part = {&header, sizeof header};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = rights.bytes,
				 .msg_controllen = CMSG_SPACE(bytes)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&message);
	int fds[2];

	if (fault->file == NOTHING) {
		reply(socket_fd, request, WIRE_OK, NULL, 0);
		return;
	}
	fds[0] = pass_file(fault->file);
	fds[1] = pass_lease(fault->lease);
	if (fault->file == SEALED && !fault->file_bytes)
		write_future(fds[0]);
	first->cmsg_level = SOL_SOCKET;
	first->cmsg_type = SCM_RIGHTS;
	first->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(first), fds, bytes);
	sendmsg(socket_fd, &message, MSG_NOSIGNAL);
	close(fds[0]);
	close(fds[1]);
}

static void welcome(int fd, const struct control_header *request, uint8_t transport)
{
	uint64_t bytes = fault->region_bytes ? fault->region_bytes : REGION_BYTES;
	struct control_welcome body = {.version = le16_of(CONTROL_VERSION),
				       .domain = CONTROL_DOMAIN_CPU,
				       .transports = transport,
				       .ttl_ms = le32_of(60000),
				       .features = le64_of(CONTROL_FEATURES),
				       .session = le64_of(65536 + 7),
				       .region_bytes = le64_of(bytes)};

	reply(fd, request, WIRE_OK, &body, sizeof body);
}

static void serve(int fd, uint8_t transport)
{
	uint8_t body[CONTROL_BODY_BYTES_MAX];
	struct control_header request;

	while (take(fd, &request, sizeof request) &&
	       le32_get(request.length_bytes) <= sizeof body &&
	       take(fd, body, le32_get(request.length_bytes))) {
		uint16_t type = le16_get(request.type);

		if (type == CONTROL_HELLO)
			welcome(fd, &request, transport);
		else if (type == CONTROL_ATTACH)
			attached(fd, &request);
		else if (type == CONTROL_OPEN)
			opened(fd, &request);
		else if (type == CONTROL_QUEUE_PAIR)
			reply(fd, &request, WIRE_OK, &fault->pair,
			      fault->pair_bytes ? fault->pair_bytes : sizeof fault->pair);
		else if (type != CONTROL_USE)
			reply(fd, &request, WIRE_OK, NULL, 0);
	}
	close(fd);
}

static void *serve_unix(void *fd)
{
	serve((int)(intptr_t)fd, CONTROL_SHM);
	return NULL;
}

static void *serve_tcp(void *fd)
{
	serve((int)(intptr_t)fd, CONTROL_ROCE);
	return NULL;
}

/* Mappings of what was passed. */
static unsigned mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof line, maps))
		count += strstr(line, "memfd:arena") || strstr(line, "memfd:lease") ||
			 strstr(line, "/dev/zero");
	fclose(maps);
	return count;
}

/* Whether dso.h names @error as one of dso_open(). */
static bool is_documented(int error)
{
	static const int errors[] = {EINVAL, ECONNREFUSED, ECONNRESET, EHOSTUNREACH,    EAGAIN,
				     EACCES, ETIMEDOUT,    EPROTO,     EPROTONOSUPPORT, ENOENT,
				     EUSERS, EOPNOTSUPP,   EMFILE,     ENOMEM};

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (error == -errors[i])
			return true;
	return false;
}

static void is_refused(const char *url, const char *transport)
{
	struct dso_options options = {.transport = transport, .timeout = 20 * DSO_SECOND};
	struct dso_session *session = NULL;
	int r = dso_open(url, &options, &session);

	ck_assert_msg(r < 0, "%s was believed", fault->name);
	ck_assert_msg(is_documented(r), "%s: dso.h does not name %s", fault->name, strerror(-r));
	ck_assert_msg(strstr(dso_error(NULL), transport) && strlen(dso_error(NULL)) > 40, "%s: %s",
		      fault->name, dso_error(NULL));
	ck_assert_msg(mappings() == 0, "%s: it is mapped still", fault->name);
}

START_TEST(faulty_answers_about_the_arena_are_not_believed)
{
	fault = &over_shm[_i];
	is_refused(unix_url, "shm");
}
END_TEST

START_TEST(faulty_answers_about_the_far_end_of_a_queue_pair_are_not_believed)
{
	fault = &over_roce[_i];
	is_refused(tcp_url, "roce");
}
END_TEST

START_TEST(the_truth_about_the_arena_is_believed)
{
	static const struct fault truth = {.name = "the truth"};
	struct dso_options options = {.transport = "shm", .timeout = 20 * DSO_SECOND};
	struct dso_session *session;

	fault = &truth;
	ck_assert_msg(dso_open(unix_url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_uint_eq(mappings(), 2);
	dso_close(session);
	ck_assert_uint_eq(mappings(), 0);
}
END_TEST

static const struct damage damages[] = {
	{0}, /* none */
	{.version = 1},
	{.length_bytes = 1},
	{.length_bytes = CAPACITY_BYTES},
	{.length_bytes = UINT64_MAX - 1000},
	{.checksum = 1},
	{.header_checksum = 1},
};

START_TEST(a_value_whose_slot_is_damaged_is_told_as_damaged)
{
	static const struct fault truth = {.name = "the truth"};
	struct dso_options options = {.transport = "shm", .timeout = 20 * DSO_SECOND};
	struct dso_session *session;
	struct dso_future *future;
	char value[2 * CAPACITY_BYTES];
	size_t length = 0;
	int r;

	fault = &truth;
	damage = damages[_i];
	ck_assert_msg(dso_open(unix_url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_int_eq(dso_future_open(session, "f", NULL, &future), 0);
	r = dso_future_get(future, value, sizeof value, DSO_NOWAIT, &length);
	ck_assert_msg(r == (_i ? -EBADMSG : 0), "%d: %s", r, dso_error(session));
	dso_close(session);
}
END_TEST

int main(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/dso-test-XXXXXX";
	Suite *suite = suite_create("faulty_paths");
	TCase *tcase = tcase_create("faulty_paths");
	int r;

	if (!mkdtemp(directory))
		return 1;
	snprintf(path.sun_path, sizeof path.sun_path, "%s/s", directory);
	snprintf(unix_url, sizeof unix_url, "dso+unix://%s", path.sun_path);
	tcp_url = play_over_tcp(serve_tcp);
	if (!tcp_url || !play_at(socket(AF_UNIX, SOCK_STREAM, 0), &path, sizeof path, serve_unix))
		return 1;
	tcase_add_loop_test(tcase, faulty_answers_about_the_arena_are_not_believed, 0,
			    sizeof over_shm / sizeof *over_shm);
	tcase_add_loop_test(tcase,
			    faulty_answers_about_the_far_end_of_a_queue_pair_are_not_believed, 0,
			    sizeof over_roce / sizeof *over_roce);
	tcase_add_test(tcase, the_truth_about_the_arena_is_believed);
	tcase_add_loop_test(tcase, a_value_whose_slot_is_damaged_is_told_as_damaged, 0,
			    sizeof damages / sizeof *damages);
	tcase_set_timeout(tcase, 300);
	suite_add_tcase(suite, tcase);
	r = run_suite(suite);
	unlink(path.sun_path);
	rmdir(directory);
	return r;
}
