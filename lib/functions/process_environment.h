/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of workers that are processes of the driver's, and of their fork server: the
 * driver's own, and variables of theirs. */
#ifndef LIB_FUNCTIONS_PROCESS_ENVIRONMENT_H
#define LIB_FUNCTIONS_PROCESS_ENVIRONMENT_H

#include "lib/functions/executor.h"

#include <stdbool.h>

/* @tell_fd and @places_fd are what the workers have (worker.h). Returns 0, or -ENOMEM with what
 * process_environment_free() takes, too. */
int process_environment_make(const struct workers_request *request, bool is_cold, int tell_fd,
			     int places_fd, char ***ret_environment);

/* From now on it is that of a fork server with that end of the channel; -1: that of a worker.
 * Returns 0 or -ENOMEM, with nothing changed. */
int process_environment_serve(char **environment, int fd);

/* NULL does nothing. */
void process_environment_free(char **environment);

#endif
