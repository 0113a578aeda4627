/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of storaged: by flag, by environment (STORAGED_NAME), by a configuration file, in
 * this order of precedence. One table in settings.c describes every setting; --help is made from
 * it.
 */
#ifndef STORAGED_SETTINGS_H
#define STORAGED_SETTINGS_H

#include "storaged/settings_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum settings_domain { DOMAIN_AUTO, DOMAIN_CPU, DOMAIN_DEVICE };
enum settings_shm_fence { SHM_FENCE_WAIT, SHM_FENCE_KILL };

struct settings {
	struct settings_list listen;
	const char *unix_socket; /* NULL: the default place */
	uint64_t unix_mode;      /* SETTINGS_UNIX_MODE_AUTO */
	uint64_t plaintext;
	uint64_t connections_max;
	struct settings_list namespaces;
	uint64_t memory_bytes;
	uint64_t memory_reserve;
	uint64_t objects_max;
	uint64_t opens_max;
	uint64_t domain;    /* enum settings_domain */
	uint64_t shm_fence; /* enum settings_shm_fence */
	const char *device;
	uint64_t transports; /* bits of enum control_transport */
	uint64_t roce_port;
	uint64_t workers;
	uint64_t poll; /* enum transport_poll */
	uint64_t io;   /* index of settings_io */
	uint64_t ttl_ns;
	uint64_t linger_max_ns;
	uint64_t sessions_max;
	uint64_t log_level; /* enum log_level */
	uint64_t ready_fd;  /* SETTINGS_NO_FD */
};

#define SETTINGS_UNIX_MODE_AUTO UINT64_MAX
#define SETTINGS_NO_FD          UINT64_MAX

extern const char *const settings_io[]; /* names of I/O engines, for io_engine_open */

/*
 * Read flags, environment and file. Does not return for --help, --version and flags that do not
 * exist. After success or failure the texts are freed by settings_free. Returns 0 or a negative
 * errno, with a sentence in @reason that begins with the flag, the variable or the line of the file
 * that is wrong.
 */
int settings_read(struct settings *settings, int argc, char **argv, char *reason,
		  size_t reason_bytes);
void settings_free(struct settings *settings);

#endif
