/* SPDX-License-Identifier: Apache-2.0 */
/* A control connection to a storaged byte by byte, with nothing of the library but proto. What
 * storaged owes and does not send ends the test. */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include "proto/control.h"
#include "tests/daemon.h"

#define HANG_TIMEOUT_MS 120000 /* for what must happen: a limit that only a hang reaches */

extern struct daemon_process storaged;

struct message {
	struct control_header header;
	uint8_t body[CONTROL_BODY_BYTES_MAX + 1]; /* zero-terminated */
};

int dial_tcp(void);
int dial_unix(void);

void send_all(int fd, const void *bytes, size_t count);
/* Receive exactly @count bytes. Returns how many came before the end of the stream. */
size_t receive(int fd, void *bytes, size_t count);
bool is_closed(int fd);

/* The next message, false at the end of the stream. */
bool receive_message(int fd, struct message *message);
void send_request(int fd, uint16_t type, const void *body, uint32_t body_bytes);
/* Send a request and receive its reply. Returns its status. */
unsigned call(int fd, uint16_t type, const void *body, uint32_t body_bytes, struct message *reply);

/* The first message, of a client that speaks these versions, into the namespace `default`. */
struct control_hello hello_of(unsigned version_min, unsigned version_max);
/* Begin a session over the connection @fd, with these features; or with none. */
struct control_welcome greet_for(int fd, uint64_t features);
struct control_welcome greet(int fd);
struct control_server_stat server_stat(int fd);

struct control_attach attach_of(const struct control_welcome *welcome, uint8_t transport);
/* A data connection of the session. */
int attach_tcp(const struct control_welcome *welcome);
/* The connection that brings the arena's descriptor, and that; with the feature LEASE the lease's
 * behind it. */
int attach_shm(const struct control_welcome *welcome, int *ret_fds);
/* The session that began over the connection @fd goes on with @transport. */
void use(int fd, uint8_t transport);

#endif
