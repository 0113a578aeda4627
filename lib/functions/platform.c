/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/platform.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MISSES_MAX 5 /* requests in a row that had no answer */
/* Between two looks at what a platform has started: at first, and at most. */
#define PAUSE_NS_MIN     (50 * DSO_MILLISECOND)
#define LONGEST_PAUSE_NS (2 * DSO_SECOND)
#define EXCERPT_BYTES    200 /* of an answer, in a sentence */

static int64_t *option_named(struct platform_options *options, const char *key)
{
	return strcmp(key, "timeout_ms") == 0 ? &options->timeout_ms
	       : strcmp(key, "idle_ms") == 0  ? &options->idle_ms
	       : strcmp(key, "failures") == 0 ? &options->failures
					      : NULL;
}

static bool read_number(const char *text, int64_t *ret_number)
{
	char *end;
	long long number = strtoll(text, &end, 10);

	if (end == text || *end || number < 1 || number > PAYLOAD_MS_MAX)
		return false;
	*ret_number = number;
	return true;
}

/* @pair is "KEY=VALUE", and is written to. */
static int read_option(char *pair, struct platform_options *options,
		       bool (*take)(void *context, const char *key, const char *value),
		       void *context, char *why)
{
	char *value = strchr(pair, '=');
	int64_t *number;

	if (value)
		*value++ = 0;
	number = option_named(options, pair);
	if (number && value && read_number(value, number))
		return 0;
	if (!number && value && take && take(context, pair, value))
		return 0;
	snprintf(why, SENTENCE_BYTES_MAX + 1,
		 number ? "the option %.100s is a number of 1 to 86400000"
			: "the option %.100s is not known, or its value makes no sense",
		 pair);
	return -EINVAL;
}

int platform_read_options(const char *text, struct platform_options *options,
			  bool (*take)(void *context, const char *key, const char *value),
			  void *context, char *why)
{
	char *copy = strdup(text), *rest = copy, *pair;
	int r = copy ? 0 : -ENOMEM;

	if (!copy)
		snprintf(why, SENTENCE_BYTES_MAX + 1, "out of memory");
	while (r == 0 && (pair = strsep(&rest, "&")) != NULL)
		if (*pair)
			r = read_option(pair, options, take, context, why);
	free(copy);
	return r;
}

int platform_refuse(char *why, const char *sentence)
{
	snprintf(why, SENTENCE_BYTES_MAX + 1, "%s", sentence);
	return -EINVAL;
}

bool platform_copy(char *to, size_t to_bytes, const char *text)
{
	return snprintf(to, to_bytes, "%s", text) < (int)to_bytes;
}

bool platform_draw_name(struct invocation *invocation)
{
	uint32_t drawn[2];

	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return false;
	snprintf(invocation->id, sizeof invocation->id, "dso-%08x%08x", drawn[0], drawn[1]);
	return true;
}

bool platform_may_try_again(struct invocation *invocation)
{
	bool is_missed = invocation->code != CURLE_OK || invocation->status >= 500 ||
			 invocation->status == 429;

	return is_missed && ++invocation->misses < MISSES_MAX;
}

enum step platform_pause(struct invocation *invocation)
{
	int64_t twice_ns = 2 * invocation->pause_ns;

	invocation->pause_ns = twice_ns < PAUSE_NS_MIN       ? PAUSE_NS_MIN
			       : twice_ns > LONGEST_PAUSE_NS ? LONGEST_PAUSE_NS
							     : twice_ns;
	return STEP_PAUSE;
}

/* Of what others wrote, what can be shown in a line. */
static void make_excerpt(const char *text, size_t bytes, char excerpt[EXCERPT_BYTES + 1])
{
	size_t length = bytes < EXCERPT_BYTES ? bytes : EXCERPT_BYTES;

	for (size_t i = 0; i < length; i++)
		excerpt[i] = isprint((unsigned char)text[i]) ? text[i] : ' ';
	while (length && excerpt[length - 1] == ' ')
		length--;
	excerpt[length] = 0;
}

enum step platform_fail(struct invocation *invocation, const char *what)
{
	char excerpt[EXCERPT_BYTES + 1] = "";

	if (invocation->code != CURLE_OK) {
		snprintf(invocation->why, sizeof invocation->why, "%s: %s", what,
			 curl.easy_strerror(invocation->code));
		return STEP_FAILED;
	}
	make_excerpt(invocation->answer, invocation->answer_bytes, excerpt);
	snprintf(invocation->why, sizeof invocation->why, "%s: HTTP status %ld: %s", what,
		 invocation->status, *excerpt ? excerpt : "nothing more");
	return STEP_FAILED;
}

static enum step take_error(struct invocation *invocation, const struct answer *answer)
{
	snprintf(invocation->why, sizeof invocation->why, "%s",
		 *answer->error ? answer->error : "the platform says that it failed");
	return answer->is_refused ? STEP_REFUSED : STEP_FAILED;
}

enum step platform_read_answer(struct invocation *invocation)
{
	struct answer answer;

	if (invocation->code != CURLE_OK ||
	    answer_read(invocation->answer, invocation->answer_bytes, &answer))
		return platform_fail(invocation, "an invocation has no function's answer");
	if (!*answer.error && invocation->status / 100 == 2)
		return STEP_SERVED;
	return take_error(invocation, &answer);
}

enum step platform_read_output(struct invocation *invocation, const char *output, size_t bytes)
{
	char excerpt[EXCERPT_BYTES + 1];
	struct answer answer;
	const char *line;

	while (bytes && isspace((unsigned char)output[bytes - 1]))
		bytes--;
	line = memrchr(output, '\n', bytes);
	line = line ? line + 1 : output;
	bytes -= (size_t)(line - output);
	if (answer_read(line, bytes, &answer) == 0)
		return *answer.error ? take_error(invocation, &answer) : STEP_SERVED;
	make_excerpt(line, bytes, excerpt);
	snprintf(invocation->why, sizeof invocation->why, "a function ended without an answer: %s",
		 *excerpt ? excerpt : "it wrote nothing");
	return STEP_FAILED;
}
