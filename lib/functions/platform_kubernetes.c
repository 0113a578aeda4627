/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "kubernetes:IMAGE": an invocation is a Job of one pod, which is created, looked at until it is
 * over, and deleted. The API server, its certificates and the token are those of the pod that the
 * driver runs in, unless the URL says otherwise.
 */
#include "lib/functions/entry.h"
#include "lib/functions/loaded/jansson.h"
#include "lib/functions/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT         "/var/run/secrets/kubernetes.io/serviceaccount/"
#define FINISHED_S      60   /* after which the cluster deletes the job of a driver that is gone */
#define SHORT_MS        5000 /* of a request */
#define LABEL_BYTES_MAX 63   /* of a namespace: Kubernetes' own limit */
#define LABEL_LETTERS   "abcdefghijklmnopqrstuvwxyz0123456789-"

struct platform_of_kubernetes {
	struct platform base;
	char image[512];
	char server[512]; /* "https://10.96.0.1:443" */
	char namespace[LABEL_BYTES_MAX + 1];
	char token[256]; /* a file, which is read for each request: tokens are replaced */
	char authority[256];
	char *job; /* the body of the request under way */
};

/* What an invocation has asked for, or is to ask for. */
enum {
	NOTHING,
	CREATION,
	REST, /* between two looks */
	LOOK,
	PODS,     /* why the job failed */
	DELETION, /* and then it is over */
	END,      /* a deletion as the executor is closed */
};

/* ---- opening ---- */

static bool take_option(void *context, const char *key, const char *value)
{
	struct platform_of_kubernetes *kubernetes = context;

	if (strcmp(key, "namespace") == 0)
		return platform_copy(kubernetes->namespace, sizeof kubernetes->namespace, value);
	if (strcmp(key, "server") == 0)
		return platform_copy(kubernetes->server, sizeof kubernetes->server, value);
	if (strcmp(key, "token") == 0)
		return platform_copy(kubernetes->token, sizeof kubernetes->token, value);
	if (strcmp(key, "authority") == 0)
		return platform_copy(kubernetes->authority, sizeof kubernetes->authority, value);
	return false;
}

/* The first line of a file; "" where there is none, or it is longer than @bytes. */
static void read_line(const char *path, char *line, size_t bytes)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)bytes, file) || strlen(line) == bytes - 1)
		*line = 0;
	line[strcspn(line, "\r\n")] = 0;
	if (file)
		fclose(file);
}

static int find_server(struct platform_of_kubernetes *kubernetes, char *why)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool is_ipv6 = host && strchr(host, ':');

	if (*kubernetes->server)
		return 0;
	if (!host || !port)
		return platform_refuse(
			why, "no API server is named: KUBERNETES_SERVICE_HOST and "
			     "KUBERNETES_SERVICE_PORT are not set, as they are in a pod, and "
			     "the URL has no ?server=");
	if (snprintf(kubernetes->server, sizeof kubernetes->server, "https://%s%s%s:%s",
		     is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
		     port) >= (int)sizeof kubernetes->server)
		return platform_refuse(why, "KUBERNETES_SERVICE_HOST is too long");
	if (!*kubernetes->authority)
		strcpy(kubernetes->authority, ACCOUNT "ca.crt");
	return 0;
}

static int find_namespace(struct platform_of_kubernetes *kubernetes, char *why)
{
	char *namespace = kubernetes->namespace;

	if (!*namespace)
		read_line(ACCOUNT "namespace", namespace, sizeof kubernetes->namespace);
	if (!*namespace)
		strcpy(namespace, "default");
	return namespace[strspn(namespace, LABEL_LETTERS)] == 0
		       ? 0
		       : platform_refuse(
				 why, "the name of a namespace is of small letters, digits and -");
}

static int read_kubernetes(struct platform *platform, char *why)
{
	struct platform_of_kubernetes *kubernetes = (struct platform_of_kubernetes *)platform;
	const char *more = platform->request.more;
	size_t length = strcspn(more, "?");
	int r = 0;

	if (length == 0 || length >= sizeof kubernetes->image)
		return platform_refuse(why,
				       "\"kubernetes:\" is followed by the name of an image, of at "
				       "most 511 bytes");
	memcpy(kubernetes->image, more, length);
	if (more[length])
		r = platform_read_options(more + length + 1, &platform->options, take_option,
					  kubernetes, why);
	if (r == 0)
		r = find_server(kubernetes, why);
	if (!*kubernetes->token)
		strcpy(kubernetes->token, ACCOUNT "token");
	return r ? r : find_namespace(kubernetes, why);
}

static void clear(struct platform *platform)
{
	free(((struct platform_of_kubernetes *)platform)->job);
}

/* ---- requests ---- */

#define JOBS "/apis/batch/v1", "/jobs"

/* What requests have in common. The URL is the server's, then @group, the namespace, @what, @name
 * and @more. */
static enum step ask(struct platform_of_kubernetes *kubernetes, const char *method,
		     const char *group, const char *what, const char *name, const char *more,
		     struct platform_request *request)
{
	const struct platform_options *options = &kubernetes->base.options;
	char token[4096];

	request->method = method;
	request->is_short = true;
	request->timeout_ms = options->timeout_ms < SHORT_MS ? options->timeout_ms : SHORT_MS;
	request->authority = *kubernetes->authority ? kubernetes->authority : NULL;
	read_line(kubernetes->token, token, sizeof token);
	if (*token)
		snprintf(request->header, sizeof request->header, "Authorization: Bearer %s",
			 token);
	snprintf(request->url, sizeof request->url, "%s%s/namespaces/%s%s%s%s", kubernetes->server,
		 group, kubernetes->namespace, what, name, more);
	return STEP_REQUEST;
}

/* Pods are not started again: that is the engine's. Without a driver the job goes by itself. */
static char *write_job(const struct platform_of_kubernetes *kubernetes, const char *name)
{
	json_t *job = jansson.pack(
		"{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:i, s:I, s:i, s:{s:{s:s, s:b, s:[{s:s, s:s, s:s, "
		"s:[{s:s, s:s}]}]}}}}",
		"apiVersion", "batch/v1", "kind", "Job", "metadata", "name", name, "labels",
		"app.kubernetes.io/managed-by", "dso-rdma", "spec", "backoffLimit", 0,
		"activeDeadlineSeconds",
		(json_int_t)(kubernetes->base.options.timeout_ms + 999) / 1000,
		"ttlSecondsAfterFinished", FINISHED_S, "template", "spec", "restartPolicy", "Never",
		"automountServiceAccountToken", 0, "containers", "name", "function", "image",
		kubernetes->image, "terminationMessagePolicy", "FallbackToLogsOnError", "env",
		"name", ENTRY_PAYLOAD_VARIABLE, "value", kubernetes->base.payload);
	char *text = job ? jansson.dumps(job, JSON_COMPACT) : NULL;

	if (job)
		jansson.delete(job);
	return text;
}

static enum step create(struct platform_of_kubernetes *kubernetes, struct invocation *invocation,
			struct platform_request *request)
{
	if (platform_draw_name(invocation)) {
		free(kubernetes->job);
		kubernetes->job = write_job(kubernetes, invocation->id);
		request->body = kubernetes->job;
	}
	if (!request->body) {
		snprintf(invocation->why, sizeof invocation->why, "a job cannot be written");
		return STEP_FAILED;
	}
	invocation->step = CREATION;
	return ask(kubernetes, "POST", JOBS, "", "", request);
}

/* @step is what is asked for: DELETION or END. */
static enum step drop(struct platform_of_kubernetes *kubernetes, struct invocation *invocation,
		      unsigned step, struct platform_request *request)
{
	if (invocation->step != step)
		invocation->misses = 0;
	invocation->step = step;
	return ask(kubernetes, "DELETE", JOBS "/", invocation->id, "?propagationPolicy=Background",
		   request);
}

/* ---- answers ---- */

static enum step rest(struct invocation *invocation)
{
	invocation->step = REST;
	return platform_pause(invocation);
}

/* It failed, for the reason in its sentence. The job may be there. */
static enum step fail(struct platform_of_kubernetes *kubernetes, struct invocation *invocation,
		      struct platform_request *request)
{
	invocation->outcome = STEP_FAILED;
	return drop(kubernetes, invocation, DELETION, request);
}

/* A job that the server has refused is not there; or it is another's, of the same name. */
static enum step take_creation(struct platform_of_kubernetes *kubernetes,
			       struct invocation *invocation, struct platform_request *request)
{
	if (invocation->code == CURLE_OK && invocation->status / 100 == 2)
		return rest(invocation);
	platform_fail(invocation, "a job cannot be created");
	if (invocation->code == CURLE_OK && invocation->status / 100 == 4)
		return STEP_FAILED;
	return fail(kubernetes, invocation, request);
}

/* "Complete" or "Failed", where the job is over, with a sentence in @why; or NULL. */
static const char *find_end(const json_t *conditions, char *why)
{
	const char *type, *status, *reason = "", *message = "";
	json_error_t error;
	json_t *condition;

	for (size_t i = 0; (condition = jansson.array_get(conditions, i)) != NULL; i++) {
		if (jansson.unpack_ex(condition, &error, 0, "{s:s, s:s, s?:s, s?:s}", "type", &type,
				      "status", &status, "reason", &reason, "message", &message) ||
		    strcmp(status, "True") != 0)
			continue;
		snprintf(why, SENTENCE_BYTES_MAX + 1, "a job failed: %.60s: %.200s", reason,
			 message);
		if (strcmp(type, "Complete") == 0)
			return "Complete";
		if (strcmp(type, "Failed") == 0)
			return "Failed";
	}
	return NULL;
}

/* Returns whether there is a job in the answer; *ret_end is as of find_end(). */
static bool read_job(struct invocation *invocation, const char **ret_end)
{
	json_error_t error;
	json_t *job = jansson.loadb(invocation->answer, invocation->answer_bytes, 0, &error);
	json_t *conditions = NULL;
	bool is_job = job && jansson.unpack_ex(job, &error, 0, "{s:{s?:o}}", "status", "conditions",
					       &conditions) == 0;

	*ret_end = is_job ? find_end(conditions, invocation->why) : NULL;
	if (job)
		jansson.delete(job);
	return is_job;
}

static enum step take_look(struct platform_of_kubernetes *kubernetes, struct invocation *invocation,
			   struct platform_request *request)
{
	const char *end = NULL;

	if (platform_may_try_again(invocation))
		return rest(invocation);
	if (invocation->code != CURLE_OK || invocation->status / 100 != 2 ||
	    !read_job(invocation, &end)) {
		platform_fail(invocation, "a job cannot be looked at");
		return fail(kubernetes, invocation, request);
	}
	invocation->misses = 0;
	if (!end)
		return rest(invocation);
	invocation->step = PODS;
	if (strcmp(end, "Failed") == 0)
		return ask(kubernetes, "GET", "/api/v1", "/pods?labelSelector=job-name%3D",
			   invocation->id, "", request);
	invocation->outcome = STEP_SERVED;
	return drop(kubernetes, invocation, DELETION, request);
}

/* A pod that was there, and has failed, ended with its answer. Otherwise the sentence stays that
 * the job has. */
static enum step take_pods(struct platform_of_kubernetes *kubernetes, struct invocation *invocation,
			   struct platform_request *request)
{
	const char *message = NULL;
	json_error_t error;
	json_t *pods =
		invocation->code == CURLE_OK
			? jansson.loadb(invocation->answer, invocation->answer_bytes, 0, &error)
			: NULL;

	invocation->outcome = STEP_FAILED;
	if (pods &&
	    jansson.unpack_ex(pods, &error, 0, "{s:[{s:{s:[{s:{s:{s:s}}}]}}]}", "items", "status",
			      "containerStatuses", "state", "terminated", "message", &message) == 0)
		invocation->outcome = platform_read_output(invocation, message, strlen(message));
	if (pods)
		jansson.delete(pods);
	return drop(kubernetes, invocation, DELETION, request);
}

static enum step advance(struct platform *platform, struct invocation *invocation,
			 struct platform_request *request)
{
	struct platform_of_kubernetes *kubernetes = (struct platform_of_kubernetes *)platform;

	switch (invocation->step) {
	case NOTHING:
		return create(kubernetes, invocation, request);
	case CREATION:
		return take_creation(kubernetes, invocation, request);
	case REST:
		invocation->step = LOOK;
		return ask(kubernetes, "GET", JOBS "/", invocation->id, "", request);
	case LOOK:
		return take_look(kubernetes, invocation, request);
	case PODS:
		return take_pods(kubernetes, invocation, request);
	default:
		return platform_may_try_again(invocation)
			       ? drop(kubernetes, invocation, DELETION, request)
			       : invocation->outcome;
	}
}

static enum step end(struct platform *platform, struct invocation *invocation,
		     struct platform_request *request)
{
	struct platform_of_kubernetes *kubernetes = (struct platform_of_kubernetes *)platform;

	if (invocation->step >= DELETION && !platform_may_try_again(invocation))
		return STEP_SERVED;
	return drop(kubernetes, invocation, END, request);
}

/* Pods are begun in seconds: a worker waits for longer than elsewhere. */
const struct platform_ops platform_kubernetes = {
	.defaults = {.timeout_ms = 3600000, .idle_ms = 10000, .failures = 16},
	.bytes = sizeof(struct platform_of_kubernetes),
	.read = read_kubernetes,
	.advance = advance,
	.end = end,
	.clear = clear};
