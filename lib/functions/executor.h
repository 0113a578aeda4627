/* SPDX-License-Identifier: Apache-2.0 */
/* An executor, at its driver: two queues, the threads that are not joined, and workers. */
#ifndef LIB_FUNCTIONS_EXECUTOR_H
#define LIB_FUNCTIONS_EXECUTOR_H

#include "lib/functions/kept.h"
#include "lib/functions/retries.h"
#include "lib/functions/run.h"
#include "lib/functions/state.h"

#include <stdbool.h>

struct running; /* lib/functions/place.h */
struct workers; /* begins with struct workers_base */

/* What starts workers needs to know. The strings outlive the workers unless they say otherwise. */
struct workers_request {
	struct dso_session *session;
	const char *url;
	const char *prefix;
	unsigned count;
	const uint8_t *build; /* of MESSAGE_BUILD_BYTES; as prefix and url */
	const char *more; /* of the executor's URL, behind the scheme; gone when start() returns */
};

/* A kind of workers: a row for each scheme of an executor's URL. */
struct workers_ops {
	const char *scheme; /* "process:" */
	bool has_more;      /* the URL may go on behind it */
	/* Have workers start. Does not wait for them. Returns 0, -EOPNOTSUPP, -EAGAIN, -EMFILE,
	 * -ENOMEM, with a sentence in @why of SENTENCE_BYTES_MAX + 1. */
	int (*start)(const struct workers_request *request, struct workers **ret_workers,
		     char *why);
	/* Whether no worker can be started any more: a sentence, or NULL. When that comes to be,
	 * the workers interrupt the session. Any thread may call it. */
	const char *(*broken)(struct workers *workers);
	/* So many calls have no result now: called by the driver whenever that changes, so it does
	 * not block. NULL where workers stay. */
	void (*wanted)(struct workers *workers, unsigned waiting);
	/* Both are NULL where the driver cannot end a worker by itself. Whether the worker @index,
	 * from 0 on, has a call: 0, or 1 with *ret_running; -ENOENT: there are no more workers. */
	int (*runs)(struct workers *workers, unsigned index, struct running *ret_running);
	/* End that worker, where that is still so. Does not block. */
	void (*end)(struct workers *workers, unsigned index, const struct running *running);
	/* While calls have no result, the driver tells each CARE_NS whether some of them wait for a
	 * worker, and how many workers have taken so far. Does not block. NULL where workers that
	 * are missing are replaced anyway. */
	void (*queued)(struct workers *workers, bool some_wait, uint64_t taken);
	/* End them, and free. The queue of calls is shut down. Blocks until they have ended. */
	void (*stop)(struct workers *workers);
};

struct workers_base {
	const struct workers_ops *ops;
};

extern const struct workers_ops workers_of_processes, workers_of_threads;
/* On platforms of functions: see platform.h. */
extern const struct workers_ops workers_of_http, workers_of_https, workers_of_lambda,
	workers_of_kubernetes, workers_of_podman;

struct dso_thread {
	struct dso_executor *executor;
	const struct dso_definition *definition;
	uint64_t number;
	enum outcome outcome; /* 0: not known yet */
	uint32_t round;       /* how often it was made again after a failure */
	uint32_t attempts;    /* in the rounds before */
	bool is_cancelled;
	int64_t ended_ns; /* since when the driver knows that its call is to end; 0: it is not */
	bool is_overdue;  /* the driver has found that, and ended its worker */
	/* where it may be made again: the call as it was made */
	uint8_t *call;
	size_t call_bytes;
	struct pause pause;
	/* of many calls (lib/functions/many.h): it is told there when it is over */
	struct many *many;
	uint64_t index;
	struct dso_thread *next_over;
	bool is_detached;
	/* futures of these exist */
	bool has_stored_argument, has_stored_result;
	size_t bytes;
	void *value; /* the result, or a sentence without its zero; NULL where there are no bytes */
};

struct dso_executor {
	struct dso_session *session;
	struct dso_queue *calls, *results;
	struct state state;
	struct run *run;  /* NULL: of no run */
	struct kept kept; /* results, in a run */
	struct workers *workers;
	/* threads[i] has the number first + i; NULL: it is freed */
	struct dso_thread **threads;
	uint64_t first, next;
	size_t threads_max;
	unsigned waiting; /* calls without a result */
	/* a result that was taken in, and not acknowledged */
	bool has_leased;
	uint64_t leased;
	uint32_t attempts;
	unsigned worker_count;
	int64_t limit_ns; /* 0: none */
	struct dso_retry retry;
	/* of the lines that functions write; NULL: they are not asked for */
	void (*output)(void *context, const struct dso_output_line *line);
	void *output_context;
	struct dso_memory *lines; /* the last ones, for others; NULL: none are kept */
	struct pause *paused;     /* those that are to be made again, by time */
	/* told to others by the state, when they have changed and the last time was a while ago */
	struct executor_counts {
		uint64_t made, over, failed, cancelled, retried;
	} counts;
	bool has_new_counts;
	int64_t told_ns;
	int64_t cared_ns; /* when the driver looked for frozen workers last */
	uint8_t build[MESSAGE_BUILD_BYTES];
	char prefix[PREFIX_BYTES_MAX];
	uint8_t call[MESSAGE_BYTES];
	uint8_t result[MESSAGE_BYTES];
};

/* Whether dso_function_main() was called, as "process:" needs it. */
bool function_main_was_called(void);

/* ---- threads (lib/functions/thread.c) ---- */

/* As dso_thread_create(), of one of many calls where @many is not NULL. */
int executor_create(struct dso_executor *executor, dso_function function, const void *argument,
		    size_t bytes, struct many *many, uint64_t index,
		    struct dso_thread **ret_thread);

/* The thread has its outcome: fetch its result, where that is stored. Returns 0 or an error, which
 * is told. */
int executor_fetch(struct dso_thread *thread);

/* After that: returns as dso_thread_join() for a thread that is over, and frees it. */
int executor_end(struct dso_thread *thread, void **ret_result, size_t *ret_bytes);

/* The thread with @number, or NULL. */
struct dso_thread *executor_find(const struct dso_executor *executor, uint64_t number);

/* Nothing of it stays here or in the store. */
void executor_free_thread(struct dso_thread *thread);

/* ---- results (lib/functions/results.c) ---- */

/*
 * Wait for a result, and take it in; make calls again that have failed. Returns 0 (something may
 * have come), -ETIMEDOUT, or an error, which is told.
 */
int executor_take_result(struct dso_executor *executor, int64_t timeout);

/* How many calls wait for a result has changed. */
void executor_change_waiting(struct dso_executor *executor, int by);

/* The thread has its outcome. */
void executor_finish(struct dso_thread *thread, enum outcome outcome);

/* Leave a sentence and return @error. */
int executor_fail(struct dso_executor *executor, int error, const char *verb, const char *why);

/* Until @deadline_ns, as a timeout. */
int64_t executor_time_left(int64_t deadline_ns);

/* ---- workers that are frozen or missing (lib/functions/care.c) ---- */

/* How often the driver looks for them, and for how long a call may go on that is to end. */
#define CARE_NS (500 * DSO_MILLISECOND)

/* Whether there is something that it can do about them. */
bool executor_cares(const struct dso_executor *executor);

/* Look, and do it. Returns 0, or an error of the state or of the queue of calls. */
int executor_care(struct dso_executor *executor);

/* Free the threads that are left; what they have in the store is gone. */
void executor_forget_threads(struct dso_executor *executor);

#endif
