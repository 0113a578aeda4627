/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions: the threads of a program run in processes of their own, and share objects. Included by
 * dso/dso.h.
 *
 *	DSO_FUNCTION(estimate)
 *	{
 *		uint64_t inside = throw(dso_argument(call, NULL));
 *
 *		return dso_return(call, &inside, sizeof inside);
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		dso_function_main(argc, argv);
 *		... dso_open(NULL, NULL, &session);
 *		... dso_executor_open(session, "process:", NULL, &executor);
 *		... dso_thread_create(executor, estimate, &seed, sizeof seed, &thread);
 *		... dso_thread_join(thread, DSO_FOREVER, &result, &result_bytes);
 *	}
 *
 * The program that creates threads is the *driver*. Driver and functions are the same binary: an
 * executor starts it again as a *worker*, and there dso_function_main() runs functions and does not
 * return. A worker takes the calls of an executor from a queue in the store, one after the other,
 * and puts results into another queue, which the driver takes them from.
 *
 * A worker that ends in the middle of a call, as by a signal, takes nothing with it: another worker
 * runs the call again, up to the attempts that the executor allows. So a call is run at least once,
 * and its result counts once.
 *
 * Threads: an executor and its threads are used by one thread at a time, the one that uses their
 * session.
 */
#ifndef DSO_FUNCTIONS_H
#define DSO_FUNCTIONS_H

#include "session.h"
#include <stddef.h>

DSO_DECLARATIONS_BEGIN

#define DSO_ARGUMENT_BYTES_MAX (64ULL << 20) /* of an argument, and of a result */

/* ---- functions ---- */

/* A call, as its function sees it. Valid until the function returns. */
struct dso_call;

/* Returns 0 or a negative errno: see dso_return() and dso_fail(). */
typedef int (*dso_function)(struct dso_call *call);

/*
 * DSO_FUNCTION - define the function @name, whose body follows, with one parameter: call. It is
 * known under its name to every executor of the program. Names are unique in a program.
 */
#define DSO_FUNCTION(name)                                                  \
	static int name(struct dso_call *call);                             \
	__attribute__((constructor)) static void dso_define_##name(void)    \
	{                                                                   \
		static struct dso_definition definition = {#name, name, 0}; \
                                                                            \
		dso_function_define(&definition);                           \
	}                                                                   \
	static int name(struct dso_call *call)

/* What DSO_FUNCTION() tells the library. */
struct dso_definition {
	const char *name;
	dso_function function;
	struct dso_definition *next; /* the library's */
};

/* dso_function_define - make a function known; for DSO_FUNCTION(). The definition and its name stay
 * where they are. Call it before dso_function_main(). Does not block. */
void dso_function_define(struct dso_definition *definition);

/*
 * dso_function_main - the first statement of main(). In a driver it returns at once, and does
 * nothing. In a worker it runs functions until there are no more calls, and then ends the process:
 * it does not return. A worker that cannot reach storaged says so on stderr and exits with 1. A
 * process is a worker where an executor has started it, or where a platform of functions says so:
 * by the environment variable DSO_FUNCTION (stdin, http; none: a driver), DSO_INVOCATION or
 * AWS_LAMBDA_RUNTIME_API.
 */
void dso_function_main(int argc, char **argv);

/* dso_argument - the argument of the call, of *ret_bytes, aligned for any type; NULL for one of no
 * bytes. It is the library's, and may be written to. Does not block. */
void *dso_argument(struct dso_call *call, size_t *ret_bytes);

/* dso_call_session - the session of the worker, which is kept from one call to the next, and so are
 * the handles that are opened in it. Between two calls the library may renew it. Does not block. */
struct dso_session *dso_call_session(struct dso_call *call);

/* dso_call_number - how many calls the executor's driver had made before this one: the same in
 * every attempt. Does not block. */
uint64_t dso_call_number(const struct dso_call *call);

/* dso_call_attempt - how often the call was begun, this time included: more than 1 where a worker
 * has ended in the middle of it. May be one too many. Does not block. */
unsigned dso_call_attempt(const struct dso_call *call);

/*
 * dso_call_is_cancelled - whether nobody waits for the result any more, since the call was
 * cancelled or has run for longer than it may. It says so some 200 ms after that at the latest, for
 * functions that run in a thread ("thread:"), which cannot be ended from outside. A process is
 * ended at that moment. Any thread of the worker may call it. Does not block. Returns 1 or 0.
 */
unsigned dso_call_is_cancelled(const struct dso_call *call);

/*
 * dso_return - set the result of the call to @bytes of @value, which is copied. The last result
 * counts. Does not block. Returns 0, -EMSGSIZE (more than DSO_ARGUMENT_BYTES_MAX; the call fails
 * with that unless it returns another result), -ENOMEM (likewise): what a function can return
 * itself.
 */
int dso_return(struct dso_call *call, const void *value, size_t bytes);

/*
 * dso_fail - say why a function fails, by a sentence as printf() makes it, of at most 500 bytes:
 * the driver finds it in dso_error(). Without it the sentence is that of the errno. Does not block.
 * Returns what the function is to return: @error, or -EPROTO (@error is not a negative errno).
 */
int dso_fail(struct dso_call *call, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- executors ---- */

struct dso_executor;

/*
 * How a call is made again that has failed: by an error that its function returned, by a limit of
 * time, or since its worker ended in each of its attempts. The driver makes it again, in the calls
 * of this library that wait for results. A pause is @factor times the one before.
 */
struct dso_retry {
	uint64_t retries;     /* of a call, after the first failure, at most 1,000 */
	int64_t pause;        /* ns, before the first; 0: 100 ms */
	int64_t pause_max;    /* ns; 0: 10 s, or the first where that is longer */
	double factor;        /* at least 1; 0: 2 */
	uint64_t reserved[4]; /* zero */
};

#define DSO_OUTPUT_LINE_BYTES_MAX 800 /* longer lines come in parts */

/* A line that a function has written. */
struct dso_output_line {
	const char *function;
	uint64_t number; /* of the call, see dso_call_number() */
	/* so many lines of this worker before this one were dropped, since the driver did not take
	 * them in time; where they were the last of their call, the text has no bytes */
	uint64_t dropped;
	int stream;       /* 1: standard output; 2: standard error */
	const char *text; /* @bytes without the newline, then a zero */
	size_t bytes;
};

/* dso_output_print - print @line as "[estimate 17] text" to the stream that it was written to; for
 * the parameter output. @context is ignored. */
void dso_output_print(void *context, const struct dso_output_line *line);

struct dso_executor_params {
	uint64_t workers;  /* at a time, 1 to 1,024; 0: as many as this process has processors */
	uint64_t attempts; /* of a call, 1 to 1,000; 0: 3 */
	/* The name of the run, of at most 80 bytes: see dso_run_end(). NULL: the environment
	 * variable DSO_RUN, followed by / and DSO_RANK where that is set. "", or where DSO_RUN is
	 * not set: the executor is of no run, and no result is kept. */
	const char *run;
	/* For how long a function may run, in ns; 0: as long as it takes. The worker that runs it
	 * ends with it, some milliseconds later; one that is frozen as with dso_thread_cancel(). In
	 * a thread ("thread:") it goes on, but its result is dropped. */
	int64_t limit;
	const struct dso_retry *retry; /* NULL: a call that has failed is not made again. Copied */
	/* Called with @output_context for each line that functions write to standard output and
	 * error, dso_output_print() for one. The lines of a call come before its join returns, in
	 * the functions that wait for results. It must not use the session. A process that is
	 * killed may take its last lines with it. NULL: workers write where this process does, as
	 * they do in threads ("thread:"). */
	void (*output)(void *context, const struct dso_output_line *line);
	void *output_context;
	/* 0: the results of the run are kept until it is ended. DSO_EPHEMERAL: or until the run
	 * has had no driver for longer than the linger of its session (struct dso_options). */
	uint64_t ephemeral;
	uint64_t reserved[3]; /* zero */
};

/*
 * dso_executor_open - have functions run at @url. "process:" starts the program again, in
 * processes of this host that stay until the executor is closed, and end when this process does;
 * with "process:?cold" each runs one call, and is a fork of one that stands in
 * dso_function_main(), or, where the program has threads by then, started again for each call.
 * "thread:" runs functions in threads of this process, for debugging. "http://HOST/..." and
 * "https://..." invoke the function at that URL, which is this program, as OpenFaaS's of-watchdog
 * and Knative have it, "lambda:FUNCTION?region=REGION" one of AWS Lambda's, "kubernetes:IMAGE" Jobs
 * of a cluster, "podman:IMAGE" containers of this host;
 * libcurl and libjansson are loaded then. Their options follow behind a # (http), or in the query:
 * timeout_ms=N, idle_ms=N, failures=N, and those of the platform. NULL: the environment variable
 * DSO_EXECUTOR, and where that is not set "process:". Workers use the URL of @session, and its
 * environment. A process uses the transport that was asked for when @session was opened, or the
 * best one. In a run, the Nth executor that a driver opens finds the results that the Nth executor
 * of the driver before it has kept. @params may be NULL. *ret_executor is the caller's, to be given
 * back with dso_executor_close(). Blocks for some round trips. The sentence of a failure is
 * dso_error(session). Returns 0, -EINVAL (the URL, or a parameter, makes no sense, or
 * podman does not listen), -EBUSY (the run has another driver; the sentence says which),
 * -ENAMETOOLONG (the name of the run), -EOPNOTSUPP (processes share no embedded store, or a
 * library cannot be loaded), what opening a queue returns, -EAGAIN (this process gets no more
 * threads), -EMFILE, -ENOMEM.
 */
int dso_executor_open(struct dso_session *session, const char *url,
		      const struct dso_executor_params *params, struct dso_executor **ret_executor);

/*
 * dso_executor_close - end the workers, forget the threads that were not joined, delete the objects
 * that the executor has made, and free it. A function that is running is ended, too. Blocks until
 * the workers have ended. Close it before its session. NULL does nothing.
 */
void dso_executor_close(struct dso_executor *executor);

/*
 * dso_run_end - forget the run: delete every object whose name begins with run/RUN/, the results
 * that are kept first of all. @run NULL: the run of the environment.
 *
 * A *run* is one execution of a program, which may take several starts of its driver. The result of
 * a call of a run is kept in the store before it is told. A driver that was killed and is started
 * again, with the same name for the run, makes the same calls in the same order: those whose
 * results are kept are not run again, and their results are there at once. Calls that failed are
 * run again. A run has one driver at a time, which is the session with its executors.
 *
 * Blocks for some round trips, for 2 s where another driver has the run. Returns 0, -EBUSY (another
 * driver has the run, or an executor of it is open), -EINVAL (no run is named), -ENAMETOOLONG, what
 * dso_mutex_open(), dso_mutex_lock() and dso_delete_prefix() return, -ENOMEM.
 */
int dso_run_end(struct dso_session *session, const char *run);

/* ---- threads ---- */

struct dso_thread;

/*
 * dso_thread_create - call @function, which DSO_FUNCTION() has defined, with @bytes of @argument,
 * which are copied. *ret_thread is to be given to dso_thread_join() or dso_thread_detach(). Blocks
 * for some round trips; where DSO_THREADS_WAITING_MAX calls wait for a worker, until one has a
 * result. Returns 0, -EINVAL (no such function was defined), -EMSGSIZE (more than
 * DSO_ARGUMENT_BYTES_MAX), -ECHILD (workers cannot be started; the sentence says why), what pushing
 * to a queue returns, for an argument of more than 776 bytes what opening and setting a future
 * returns, -EEXIST (in a run: when it was begun, the call of this number was of another function or
 * had another argument), -ENOMEM.
 */
int dso_thread_create(struct dso_executor *executor, dso_function function, const void *argument,
		      size_t bytes, struct dso_thread **ret_thread);

#define DSO_THREADS_WAITING_MAX 4096

/*
 * dso_thread_join - wait for at most @timeout for the result of the thread. *ret_result is a copy
 * of *ret_bytes, to be freed with free(); NULL for a result of no bytes. Returns 0, -EREMOTEIO (the
 * function failed, and dso_error() says why), -EOWNERDEAD (in each of its attempts its worker ended
 * in the middle of it), -ETIME (it ran for longer than the executor's limit), -ENODATA (it was
 * cancelled), -ENOEXEC (the worker's binary is not the driver's). With these the thread is over,
 * and freed. With the others it is not: -ETIMEDOUT, -ECANCELED (dso_interrupt() ended the
 * wait), -EINVAL (the timeout is negative and not DSO_FOREVER), -ECHILD (workers cannot be started;
 * the sentence says why), what dso_queue_lease() and dso_future_get() return, -ENOMEM.
 */
int dso_thread_join(struct dso_thread *thread, int64_t timeout, void **ret_result,
		    size_t *ret_bytes);

/*
 * dso_thread_cancel - have the call of the thread end. One that no worker has taken does not run.
 * The worker of one that runs is ended within some 200 ms; in a thread ("thread:") the function
 * goes on until it has asked dso_call_is_cancelled(), or to its end. A process ("process:") that is
 * frozen is killed a second or two later, while the driver waits for results; any other worker that
 * is frozen has the call until its session is over. The thread is still to be joined, which returns
 * -ENODATA when the call has ended, or detached. Where its result has come already, the thread has
 * that. Blocks for some round trips. Returns 0, what dso_memory_cas() returns.
 */
int dso_thread_cancel(struct dso_thread *thread);

/* dso_thread_detach - nobody waits for the thread's result, which is dropped. The handle is freed;
 * the function runs. NULL does nothing. Does not block. */
void dso_thread_detach(struct dso_thread *thread);

/* ---- many calls ---- */

/* Of many calls, at one moment. */
struct dso_progress {
	uint64_t count;   /* all of them */
	uint64_t running; /* made, and without an outcome: they run or wait for a worker */
	uint64_t done;    /* with an outcome */
	uint64_t failed;  /* of these: not 0 */
};

struct dso_many_params {
	/* calls without an outcome at a time, at most DSO_THREADS_WAITING_MAX; 0: twice the workers
	 * of the executor */
	uint64_t concurrency;
	/* Called with @context after each outcome, from the function that waits; may be NULL. It
	 * must not use the session. */
	void (*progress)(void *context, const struct dso_progress *progress);
	void *context;
	uint64_t reserved[5]; /* zero */
};

/* What became of one of many calls. */
struct dso_result {
	int status;     /* 0, or what dso_thread_join() returns of a thread that is over */
	void *value;    /* of status 0: @bytes, or NULL where these are 0 */
	size_t bytes;   /* of @value */
	char *sentence; /* of another status: why; NULL where there was no memory for it */
};

/* dso_results_free - free what is in @count results, and zero them; not the array. NULL does
 * nothing. Does not block. */
void dso_results_free(struct dso_result *results, size_t count);

/* One of many calls that differ. */
struct dso_invocation {
	dso_function function;
	const void *argument;
	size_t bytes;
};

/*
 * dso_executor_map - call @function once for each of @count items of @item_bytes, which lie in a
 * row at @arguments, and wait for at most @timeout until all calls have an outcome. @ret_results is
 * an array of @count, filled in by index; give it to dso_results_free(). A call that fails leaves
 * the others alone. @params may be NULL. Returns 0; the status of the first call by index that has
 * failed, with its sentence, and the results are filled in. With other errors the calls that were
 * made are cancelled, and there are no results: -ETIMEDOUT (some calls have no outcome yet),
 * -EINVAL (the function is not defined, a parameter makes no sense), and as dso_thread_create() and
 * dso_thread_join() return.
 */
int dso_executor_map(struct dso_executor *executor, dso_function function, const void *arguments,
		     size_t item_bytes, size_t count, const struct dso_many_params *params,
		     int64_t timeout, struct dso_result *ret_results);

/* dso_executor_invoke_all - the same for @count calls that differ. Errors as for
 * dso_executor_map(). */
int dso_executor_invoke_all(struct dso_executor *executor, const struct dso_invocation *invocations,
			    size_t count, const struct dso_many_params *params, int64_t timeout,
			    struct dso_result *ret_results);

/*
 * dso_executor_invoke_any - make @count calls until one succeeds, whose index is *ret_index and
 * whose result is *ret_result of *ret_bytes, to be freed with free() (each may be NULL). The others
 * are cancelled. Returns 0, -EINVAL (also where @count is 0); where all have failed the status of
 * the last that did, with its sentence; and errors as for dso_executor_map().
 */
int dso_executor_invoke_any(struct dso_executor *executor, const struct dso_invocation *invocations,
			    size_t count, const struct dso_many_params *params, int64_t timeout,
			    size_t *ret_index, void **ret_result, size_t *ret_bytes);

/* The argument of a function of dso_parallel_for() begins with it; behind it lies a copy of what is
 * shared. */
struct dso_range {
	uint64_t begin, end; /* the indices from begin to end - 1 */
};

/*
 * dso_parallel_for - call @function for each chunk of @range, of @chunk indices (0: such that each
 * worker gets eight), and wait for at most @timeout until all have ended. The argument of a call is
 * a struct dso_range, and behind it @bytes of @shared. @fold (may be NULL) is called with @context
 * for each chunk, in the order in which they end, with its result, which it does not keep; it must
 * not use the session. It returns 0, or a negative errno, which ends all. @params may be NULL.
 * Returns 0; where a call or @fold has failed its status, with its sentence, after the other calls
 * were cancelled; and errors as for dso_executor_map().
 */
int dso_parallel_for(struct dso_executor *executor, dso_function function,
		     const struct dso_range *range, uint64_t chunk, const void *shared,
		     size_t bytes,
		     int (*fold)(void *context, const struct dso_range *chunk, const void *result,
				 size_t result_bytes),
		     void *context, const struct dso_many_params *params, int64_t timeout);

/* ---- looking at executors, of any driver ---- */

/* Times are in ns, and off by as much as the clocks of two hosts differ. The driver tells its
 * numbers each tenth of a second while it waits for results; otherwise they are old. */
struct dso_executor_stat {
	char name[128]; /* what the names of its objects begin with: "run/RUN/EXECUTOR" */
	char kind[24];  /* "process:" */
	char driver_host[64];
	uint32_t driver_pid;
	uint32_t workers; /* that were asked for */
	int64_t age;      /* since it was opened */
	/* calls: that wait for a worker, run, have a result, have failed, were cancelled */
	uint64_t queued, running, done, failed, cancelled;
	uint64_t retried; /* how often calls were made again after a failure */
	uint64_t reserved[4];
};

/*
 * dso_executors - call @each with every executor of the namespace that is open, in no order, until
 * @each returns other than 0. @each gets @context, may use the session, and must not keep the
 * pointer. Blocks for some round trips an executor. Returns 0, what @each returned, what dso_list()
 * and reading a memory return, -ENOMEM.
 */
int dso_executors(struct dso_session *session,
		  int (*each)(const struct dso_executor_stat *stat, void *context), void *context);

/* A call that runs, and has for a tenth of a second. */
struct dso_call_stat {
	uint64_t number;
	uint32_t attempt; /* which one this is */
	uint32_t worker_pid;
	char worker_host[64];
	char function[168];
	int64_t age;     /* since the attempt began */
	int64_t silence; /* since its worker told that: after some seconds it is frozen or gone */
	uint64_t reserved[4];
};

/* dso_calls - call @each with the calls that run of the executor of that name, as dso_executors()
 * does. Returns 0, what @each returned, -ENOENT (there is no such executor), what reading a memory
 * returns, -ENOMEM. */
int dso_calls(struct dso_session *session, const char *executor,
	      int (*each)(const struct dso_call_stat *stat, void *context), void *context);

/*
 * dso_call_end - cancel a call of the executor of that name, as dso_thread_cancel() does: its
 * driver gets -ENODATA. Of a call that is over nothing changes. Blocks for some round trips, not
 * for the end of the call. Returns 0, -ENOENT (there is no such executor, or it has not made that
 * call), what changing a memory returns.
 */
int dso_call_end(struct dso_session *session, const char *executor, uint64_t number);

/*
 * dso_call_output - call @each with the lines that a call of the executor of that name has written,
 * the oldest first, until @each returns other than 0. @each gets @context, must not use the
 * session, and must not keep the pointer. Where the driver asks for lines (the parameter output),
 * the last 1,024 that its functions have written are kept until the executor is closed, of all
 * calls together. Blocks for some round trips. Returns 0, what @each returned, -ENOENT (there is no
 * such executor, or its driver asks for no lines), what reading a memory returns, -ENOMEM.
 */
int dso_call_output(struct dso_session *session, const char *executor, uint64_t number,
		    int (*each)(const struct dso_output_line *line, void *context), void *context);

DSO_DECLARATIONS_END

#endif
