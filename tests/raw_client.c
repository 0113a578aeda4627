/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/raw_client.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct daemon_process storaged;

int dial_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = htons((uint16_t)atoi(strrchr(storaged.tcp_url, ':') + 1));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

int dial_unix(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, storaged.unix_url + strlen("dso+unix://"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

void send_all(int fd, const void *bytes, size_t count)
{
	ck_assert_int_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

size_t receive(int fd, void *bytes, size_t count)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	size_t got = 0;

	while (got < count) {
		ssize_t n;

		ck_assert_msg(poll(&poll_fd, 1, HANG_TIMEOUT_MS) == 1, "storaged does not answer");
		n = recv(fd, (char *)bytes + got, count - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

bool is_closed(int fd)
{
	char byte;

	return receive(fd, &byte, 1) == 0;
}

bool receive_message(int fd, struct message *message)
{
	uint32_t length_bytes;

	if (receive(fd, &message->header, sizeof message->header) != sizeof message->header)
		return false;
	length_bytes = le32_get(message->header.length_bytes);
	ck_assert_uint_le(length_bytes, CONTROL_BODY_BYTES_MAX);
	message->body[length_bytes] = 0;
	return receive(fd, message->body, length_bytes) == length_bytes;
}

void send_request(int fd, uint16_t type, const void *body, uint32_t body_bytes)
{
	uint8_t bytes[sizeof(struct control_header) + CONTROL_BODY_BYTES_MAX];
	struct control_header header = control_header_of(type, 0, 77, body_bytes);

	memcpy(bytes, &header, sizeof header);
	if (body_bytes)
		memcpy(bytes + sizeof header, body, body_bytes);
	send_all(fd, bytes, sizeof header + body_bytes);
}

unsigned call(int fd, uint16_t type, const void *body, uint32_t body_bytes, struct message *reply)
{
	send_request(fd, type, body, body_bytes);
	ck_assert_msg(receive_message(fd, reply), "no reply to a request of type %u", type);
	ck_assert_uint_eq(le16_get(reply->header.type), type);
	ck_assert_uint_eq(le32_get(reply->header.request), 77);
	return le16_get(reply->header.status);
}

struct control_hello hello_of(unsigned version_min, unsigned version_max)
{
	struct control_hello hello = {.version_min = le16_of((uint16_t)version_min),
				      .version_max = le16_of((uint16_t)version_max),
				      .name_space = "default"};

	memcpy(hello.magic, CONTROL_MAGIC, sizeof hello.magic);
	return hello;
}

struct control_welcome greet_for(int fd, uint64_t features)
{
	struct control_hello hello = hello_of(CONTROL_VERSION, CONTROL_VERSION);
	struct control_welcome welcome;
	struct message reply;

	hello.features_offered = le64_of(features);
	ck_assert_uint_eq(call(fd, CONTROL_HELLO, &hello, sizeof hello, &reply), WIRE_OK);
	ck_assert_uint_eq(le32_get(reply.header.length_bytes), sizeof welcome);
	memcpy(&welcome, reply.body, sizeof welcome);
	return welcome;
}

struct control_welcome greet(int fd)
{
	return greet_for(fd, 0);
}

struct control_server_stat server_stat(int fd)
{
	struct control_server_stat stat;
	struct message reply;

	ck_assert_uint_eq(call(fd, CONTROL_SERVER_STAT, NULL, 0, &reply), WIRE_OK);
	ck_assert_uint_eq(le32_get(reply.header.length_bytes), sizeof stat);
	memcpy(&stat, reply.body, sizeof stat);
	return stat;
}

struct control_attach attach_of(const struct control_welcome *welcome, uint8_t transport)
{
	struct control_attach attach = {.session = welcome->session, .transport = transport};

	memcpy(attach.cookie, welcome->cookie, sizeof attach.cookie);
	return attach;
}

int attach_tcp(const struct control_welcome *welcome)
{
	struct control_attach attach = attach_of(welcome, CONTROL_TCP);
	struct message reply;
	int fd = dial_tcp();

	ck_assert_uint_eq(call(fd, CONTROL_ATTACH, &attach, sizeof attach, &reply), WIRE_OK);
	return fd;
}

int attach_shm(const struct control_welcome *welcome, int *ret_fds)
{
	bool has_lease = le64_get(welcome->features) & CONTROL_FEATURE_LEASE;
	size_t bytes = (has_lease ? 2 : 1) * sizeof *ret_fds;
	struct control_attach attach = attach_of(welcome, CONTROL_SHM);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} rights;
	struct control_header reply;
	struct iovec part = {&reply, sizeof reply};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = rights.bytes,
				 .msg_controllen = sizeof rights.bytes};
	int fd = dial_unix();

	send_request(fd, CONTROL_ATTACH, &attach, sizeof attach);
	ck_assert_int_eq(recvmsg(fd, &message, 0), sizeof reply);
	ck_assert_uint_eq(le16_get(reply.status), WIRE_OK);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
	ck_assert_uint_eq(CMSG_FIRSTHDR(&message)->cmsg_len, CMSG_LEN(bytes));
	memcpy(ret_fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), bytes);
	return fd;
}

void use(int fd, uint8_t transport)
{
	struct {
		struct control_header header;
		struct control_use use;
	} notice = {
		.header = control_header_of(CONTROL_USE, 0, 0, sizeof notice.use),
		.use.transport = transport,
	};

	send_all(fd, &notice, sizeof notice);
}
