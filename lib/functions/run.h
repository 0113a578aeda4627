/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run at its driver: one execution of a program, whose results are kept (lib/functions/kept.h)
 * until it is ended. It has one driver at a time: the session that has locked the mutex
 * run/RUN/driver.
 */
#ifndef LIB_FUNCTIONS_RUN_H
#define LIB_FUNCTIONS_RUN_H

#include "lib/include/dso/dso.h"

#include <stdbool.h>

#define RUN_NAME_BYTES_MAX 80

struct run_name {
	char text[RUN_NAME_BYTES_MAX + 1];
};

/*
 * The name of the run: @given, or that of the environment, where each rank (DSO_RANK) has a run of
 * its own. Returns 0, -ENOENT (there is none), -ENAMETOOLONG.
 */
int run_name_of(const char *given, struct run_name *ret_name);

/* This thread runs functions from now on: the run of the environment is their driver's. */
void run_is_for_workers(void);

struct run;

/*
 * Take part in the run as an executor of @session. *ret_number is how many executors this process
 * has opened in it before. Returns 0, -EBUSY (another driver has it; the sentence says which), what
 * locking a mutex returns, -ENOMEM.
 */
int run_enter(struct dso_session *session, const char *name, struct run **ret_run,
	      unsigned *ret_number);

/* The executor is closed; with @in_vain it was not opened, and its number goes to the next one.
 * NULL does nothing. */
void run_leave(struct run *run, bool in_vain);

#endif
