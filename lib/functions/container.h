/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers that "podman:" has an engine create: what the executor's URL says of them, as
 * libpod's REST API wants to hear it. All are alike but for their names. They get no capability and
 * no way to one, and a root that they cannot write to, with a /tmp of their own.
 */
#ifndef LIB_FUNCTIONS_CONTAINER_H
#define LIB_FUNCTIONS_CONTAINER_H

#include "lib/functions/executor.h"
#include "lib/functions/loaded/jansson.h"

#define CONTAINER_LABEL     "dso-rdma=worker"
#define CONTAINER_LOG_BYTES (256 << 10) /* of what it writes the engine keeps so much */

/* Zero at first. All need jansson_load(). */
struct container {
	json_t *specification;
	/* of it, and its: */
	json_t *environment, *mounts, *volumes;
	bool has_network;
	bool has_url;    /* the URL says where storaged is */
	bool has_volume; /* or how its socket gets in */
};

/* Of @image. Returns 0, or -EINVAL with a sentence in @why of SENTENCE_BYTES_MAX + 1. */
int container_open(struct container *container, const char *image, char *why);

/* Take an option of the URL. Returns whether @key is known and @value makes sense. */
bool container_take_option(struct container *container, const char *key, const char *value);

/* What the URL has not said is as the driver has it. The engine ends it after @timeout_ms. Returns
 * 0, or -EINVAL with a sentence in @why. */
int container_complete(struct container *container, const struct workers_request *request,
		       int64_t timeout_ms, char *why);

/* JSON for one named @name, to be freed; NULL: out of memory. */
char *container_write(struct container *container, const char *name, const char *payload);

void container_free(struct container *container);

#endif
