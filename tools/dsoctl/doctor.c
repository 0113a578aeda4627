/* SPDX-License-Identifier: Apache-2.0 */
/* What is used, why, and what is missing. Each finding is a line for people and a member for
 * JSON. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRANSPORTS_MAX 8
#define PINGS          20
#define BATCHES        32
#define BATCH_NS       200000
#define BATCH_OPS_MAX  10000

struct doctor {
	struct dsoctl *ctl;
	json_t *findings;
	char broken[1100]; /* the first thing that is wrong; empty: nothing is */
};

/* ---- findings ---- */

static void print_finding(const char *what, const char *text)
{
	printf("%-14s ", what);
	printable_print(stdout, text, PRINTABLE_TERMINAL);
	putchar('\n');
}

__attribute__((format(printf, 3, 4))) static void find(struct doctor *doctor, const char *what,
						       const char *format, ...)
{
	char *text;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (!text)
		return;
	if (doctor->ctl->json)
		json_object_set_new(doctor->findings, what, json_text(text));
	else
		print_finding(what, text);
	free(text);
}

/* A number that scripts may want, in JSON alone. */
static void find_ns(struct doctor *doctor, const char *what, double ns)
{
	json_object_set_new(doctor->findings, what, json_real(ns));
}

static void find_broken(struct doctor *doctor, const char *sentence)
{
	if (!*doctor->broken)
		snprintf(doctor->broken, sizeof doctor->broken, "%s", sentence);
}

/* ---- the parts ---- */

static void examine_settings(struct doctor *doctor)
{
	static const char *const variables[] = {"DSO_TIMEOUT_MS", "DSO_OPEN_TIMEOUT_MS", "DSO_POLL",
						"DSO_IO", "DSO_DEVICE"};
	const struct dsoctl *ctl = doctor->ctl;
	const char *url = getenv("DSO_URL"), *transport = getenv("DSO_TRANSPORT");

	if (ctl->url)
		find(doctor, "url", "%s (from --url)", ctl->url);
	else if (url && *url)
		find(doctor, "url", "%s (from DSO_URL)", url);
	else
		find(doctor, "url",
		     "storaged's unix socket if it is there, else dso://127.0.0.1:7471 (the "
		     "default: neither --url nor DSO_URL is given)");
	if (ctl->transport)
		find(doctor, "asked_for", "transport %s (from --transport)", ctl->transport);
	else if (transport && *transport)
		find(doctor, "asked_for", "transport %s (from DSO_TRANSPORT)", transport);
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *value = getenv(variables[i]);

		if (value && *value)
			find(doctor, variables[i], "%s (from the environment)", value);
	}
}

static void examine_transports(struct doctor *doctor)
{
	struct dso_transport_report reports[TRANSPORTS_MAX];
	size_t count = dso_transports(doctor->ctl->session, reports, TRANSPORTS_MAX);

	if (doctor->ctl->session)
		find(doctor, "transport", "%s", dso_transport(doctor->ctl->session));
	for (size_t i = 0; i < count && i < TRANSPORTS_MAX; i++) {
		char label[32];

		snprintf(label, sizeof label, "  %s", reports[i].name);
		find(doctor, doctor->ctl->json ? label + 2 : label, "%s: %s",
		     reports[i].chosen ? "used" : "not used", reports[i].reason);
	}
}

static void examine_server(struct doctor *doctor)
{
	struct dso_server_stat stat;
	char text[3][DURATION_BYTES];
	int r = dso_server_stat(doctor->ctl->session, &stat);

	if (r) {
		find_broken(doctor, dso_error(doctor->ctl->session));
		return;
	}
	find(doctor, "storaged",
	     "%s, up %s, %ju of %ju sessions, %ju of %ju objects, %s of %s used", stat.version,
	     duration((int64_t)stat.uptime, text[0]), (uintmax_t)stat.sessions,
	     (uintmax_t)stat.sessions_max, (uintmax_t)stat.objects, (uintmax_t)stat.objects_max,
	     size(stat.region_used_bytes, text[1]), size(stat.region_bytes, text[2]));
	if (strcmp(stat.version, dso_version()))
		find(doctor, "versions", "storaged is %s, the library %s: what both know is spoken",
		     stat.version, dso_version());
	find(doctor, "domain", "%s: %s", stat.domain, stat.domain_reason);
	if (!strncmp(stat.domain_reason, "broken: ", 8))
		find_broken(doctor, stat.domain_reason + 8);
	if (*stat.device)
		find(doctor, "device", "%s (storaged's)", stat.device);
	if (*stat.io)
		find(doctor, "io", "%s (storaged's)", stat.io);
}

/* Why sessions ended that did not say goodbye. */
static void examine_ends(struct doctor *doctor)
{
	static const char prefix[] = "sessions_ended_";
	struct dso_figure figures[DSO_FIGURES_MAX];
	char text[1024] = "";
	size_t count, bytes = 0;

	if (dso_transport_stat(doctor->ctl->session, figures, DSO_FIGURES_MAX, &count))
		return;
	for (size_t i = 0; i < count && bytes < sizeof text; i++)
		if (figures[i].at_storaged && figures[i].value &&
		    !strncmp(figures[i].name, prefix, strlen(prefix)))
			bytes += (size_t)snprintf(
				text + bytes, sizeof text - bytes, "%s%s %ju", bytes ? ", " : "",
				figures[i].name + strlen(prefix), (uintmax_t)figures[i].value);
	if (bytes)
		find(doctor, "ended", "%s (sessions by reason; storaged's log names some of each)",
		     text);
}

static void examine_round_trip(struct doctor *doctor)
{
	int64_t best = INT64_MAX;
	char text[DURATION_BYTES];

	for (unsigned i = 0; i < PINGS; i++) {
		int64_t round_trip;

		if (dso_ping(doctor->ctl->session, &round_trip)) {
			find_broken(doctor, dso_error(doctor->ctl->session));
			return;
		}
		best = round_trip < best ? round_trip : best;
	}
	find(doctor, "round_trip", "%s on the control connection, the best of %d",
	     duration(best, text), PINGS);
	find_ns(doctor, "round_trip_ns", (double)best);
}

/* ---- fetch-and-add, measured ---- */

static int compare(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* Add 1 to the counter @count times. *ret_ps is how long one addition took. */
static int time_batch(struct dso_counter *counter, unsigned count, int64_t *ret_ps)
{
	int64_t begin_ns = now_ns();
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++)
		r = dso_counter_add(counter, 1, NULL);
	*ret_ps = (now_ns() - begin_ns) * 1000 / count;
	return r;
}

/* The time of the median batch; *ret_added is the value that the counter must have now. */
static int time_additions(struct dso_counter *counter, int64_t *ret_ps, int64_t *ret_added)
{
	int64_t batches_ps[BATCHES];
	unsigned count = 1, i;
	int64_t added = 0;
	int r = 0;

	/* Batches that are short enough to be over soon, and long enough for reading the clock not
	 * to count. */
	for (i = 0; i < 4 && r == 0; i++) {
		r = time_batch(counter, count, &batches_ps[0]);
		added += count;
		count = (unsigned)(BATCH_NS * INT64_C(1000) / (batches_ps[0] + 1)) + 1;
		count = count > BATCH_OPS_MAX ? BATCH_OPS_MAX : count;
	}
	for (i = 0; i < BATCHES && r == 0; i++) {
		r = time_batch(counter, count, &batches_ps[i]);
		added += count;
	}
	if (r)
		return r;
	qsort(batches_ps, BATCHES, sizeof *batches_ps, compare);
	*ret_ps = batches_ps[BATCHES / 2];
	*ret_added = added;
	return 0;
}

static void examine_counter(struct doctor *doctor, struct dso_counter *counter)
{
	struct dso_session *session = doctor->ctl->session;
	int64_t took_ps, added, value;
	char text[96];
	int r = time_additions(counter, &took_ps, &added);

	if (r == 0)
		r = dso_counter_get(counter, &value);
	if (r) {
		find_broken(doctor, dso_error(session));
		return;
	}
	if (value != added) {
		snprintf(text, sizeof text, "%" PRId64 " additions of 1 made %" PRId64, added,
			 value);
		find_broken(doctor, text);
	}
	find(doctor, "fetch_add",
	     "%.3f us an operation, the median of %d batches on a counter made for it",
	     (double)took_ps / 1e6, BATCHES);
	find_ns(doctor, "fetch_add_ns", (double)took_ps / 1000);
}

static void examine_fetch_add(struct doctor *doctor)
{
	struct dso_session *session = doctor->ctl->session;
	struct dso_counter *counter;
	char name[64];

	snprintf(name, sizeof name, "dsoctl.doctor.%d.%" PRIx64, (int)getpid(), (uint64_t)now_ns());
	if (dso_counter_open(session, name, NULL, &counter)) {
		find_broken(doctor, dso_error(session));
		return;
	}
	examine_counter(doctor, counter);
	dso_counter_close(counter);
	if (dso_object_delete(session, name))
		find_broken(doctor, dso_error(session));
}

/* ---- the way of packets ---- */

/* What this session counted under @name. */
static uint64_t figure(const struct dso_figure *figures, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!figures[i].at_storaged && !strcmp(figures[i].name, name))
			return figures[i].value;
	return 0;
}

/* After some operations, the figures of a transport that counts packets. */
static void examine_path(struct doctor *doctor)
{
	struct dso_session *session = doctor->ctl->session;
	struct dso_figure figures[DSO_FIGURES_MAX];
	size_t count;

	if (strcmp(dso_transport(session), "roce") ||
	    dso_transport_stat(session, figures, DSO_FIGURES_MAX, &count))
		return;
	find(doctor, "path",
	     "packets of up to %ju bytes; %ju of %ju sent again (dsoctl stat --transport says "
	     "more)",
	     (uintmax_t)figure(figures, count, "mtu_bytes"),
	     (uintmax_t)figure(figures, count, "packets_retransmitted"),
	     (uintmax_t)figure(figures, count, "packets_sent"));
}

/* ---- limits of this process ---- */

/* CAP_IPC_LOCK, from the line of /proc/self/status: memory may be locked without a limit. */
static bool may_lock_all(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	uint64_t capabilities = 0;
	char line[256];

	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "CapEff: %" SCNx64, &capabilities) == 1)
			break;
	if (status)
		fclose(status);
	return capabilities >> 14 & 1;
}

static void examine_limits(struct doctor *doctor)
{
	struct rlimit memory = {0}, files = {0};
	char text[DURATION_BYTES];

	getrlimit(RLIMIT_MEMLOCK, &memory);
	getrlimit(RLIMIT_NOFILE, &files);
	if (may_lock_all() || memory.rlim_cur == RLIM_INFINITY)
		find(doctor, "locked_memory",
		     "no limit (transport verbs locks the buffers of a session)");
	else
		find(doctor, "locked_memory",
		     "%s (transport verbs locks the buffers of a session: ulimit -l)",
		     size(memory.rlim_cur, text));
	find(doctor, "open_files", "%ju (a session needs about 5: ulimit -n)",
	     (uintmax_t)files.rlim_cur);
}

/* ---- the whole ---- */

static enum exit_status conclude(struct doctor *doctor)
{
	bool healthy = !*doctor->broken;
	enum exit_status status = healthy ? STATUS_DONE : STATUS_FAILED;

	if (healthy)
		find(doctor, "verdict", "everything works");
	else
		find(doctor, "verdict", "broken: %s", doctor->broken);
	if (doctor->ctl->json) {
		json_object_set_new(doctor->findings, "healthy", json_boolean(healthy));
		return print_json(doctor->findings) ? STATUS_FAILED : status;
	}
	json_decref(doctor->findings);
	return status;
}

enum exit_status run_doctor(struct dsoctl *ctl)
{
	struct doctor doctor = {.ctl = ctl, .findings = json_object()};
	struct dso_options options = dsoctl_options(ctl);
	int r;

	examine_settings(&doctor);
	r = dso_open(ctl->url, &options, &ctl->session);
	if (r) {
		find(&doctor, "storaged", "no session: %s", dso_error(NULL));
		find_broken(&doctor, dso_error(NULL));
		examine_transports(&doctor);
	} else {
		find(&doctor, "answered", "%s", dso_url(ctl->session));
		examine_server(&doctor);
		examine_ends(&doctor);
		examine_round_trip(&doctor);
		examine_transports(&doctor);
		examine_fetch_add(&doctor);
		examine_path(&doctor);
	}
	examine_limits(&doctor);
	return conclude(&doctor);
}
