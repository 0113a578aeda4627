/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregators: vectors are numbers in words, or one a line. */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX (64u << 20)

static const char *const operations[] = {
	[DSO_SUM] = "sum",       [DSO_MIN] = "min",           [DSO_MAX] = "max",
	[DSO_MEAN] = "mean",     [DSO_VARIANCE] = "variance", [DSO_COUNT] = "count",
	[DSO_ARGMIN] = "argmin", [DSO_ARGMAX] = "argmax"};
static const char *const elements[] = {[DSO_INT64] = "int64", [DSO_DOUBLE] = "double"};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

union number {
	double real;
	int64_t integer;
};

struct opened {
	struct dso_aggregator *aggregator;
	size_t bytes;
	enum dso_operation operation;
	enum dso_element element;
	union number *vector; /* room for one; dsoctl ends soon, and does not free it */
};

/* The kind is 2 * (operation - 1) + element. */
static void describe(struct opened *opened, uint64_t kind)
{
	opened->operation = (enum dso_operation)(1 + (kind - 1) / 2);
	opened->element = (enum dso_element)(1 + (kind - 1) % 2);
}

/* Open an existing aggregator. Any status but STATUS_DONE was explained on stderr. */
static enum exit_status open_aggregator(struct dsoctl *ctl, struct opened *ret_opened)
{
	struct dso_stat stat;
	int r = dso_object_stat(ctl->session, ctl->operands[0], &stat);

	if (r == -ENOENT)
		return fail_missing(ctl, "aggregator",
				    "dsoctl agg open NAME LENGTH -n CONTRIBUTORS");
	if (r == 0)
		r = dso_aggregator_open(ctl->session, ctl->operands[0], NULL,
					&ret_opened->aggregator);
	if (r)
		return fail(ctl, r);
	describe(ret_opened, stat.parameters[1]);
	ret_opened->bytes = dso_aggregator_bytes(ret_opened->aggregator);
	ctl->memory = ret_opened->vector = malloc(ret_opened->bytes);
	return ret_opened->vector ? STATUS_DONE : fail_because("out of memory");
}

/* ---- numbers ---- */

static bool parse_element(const struct opened *opened, const char *word, union number *to)
{
	char *end;

	errno = 0;
	if (opened->element == DSO_DOUBLE)
		to->real = strtod(word, &end);
	else
		to->integer = strtoll(word, &end, 10);
	return end != word && *end == '\0' && errno == 0;
}

/* The next number of a vector, of which there are *count. */
static enum exit_status take_word(struct dsoctl *ctl, struct opened *opened, const char *word,
				  size_t *count)
{
	if (*count == opened->bytes / 8)
		return wrong_usage(ctl, "there are more than the %zu numbers of a vector", *count);
	if (!parse_element(opened, word, &opened->vector[*count]))
		return wrong_usage(ctl, "%s is no %s", word, elements[opened->element]);
	++*count;
	return STATUS_DONE;
}

static enum exit_status take_input(struct dsoctl *ctl, struct opened *opened, size_t *count)
{
	static const char spaces[] = " \t\r\n";
	enum exit_status status = STATUS_DONE;
	size_t length;
	char *input = (char *)read_input(INPUT_BYTES_MAX, &length), *text, *at = NULL;

	if (!input || length > INPUT_BYTES_MAX)
		return input ? fail_because("stdin has more than 64 MiB") : STATUS_FAILED;
	text = malloc(length + 1);
	if (!text)
		return fail_because("out of memory");
	memcpy(text, input, length);
	text[length] = '\0';
	for (char *word = strtok_r(text, spaces, &at); word && status == STATUS_DONE;
	     word = strtok_r(NULL, spaces, &at))
		status = take_word(ctl, opened, word, count);
	free(text);
	free(input);
	return status;
}

static enum exit_status take_vector(struct dsoctl *ctl, struct opened *opened)
{
	enum exit_status status = STATUS_DONE;
	size_t count = 0;

	for (unsigned i = 2; i < ctl->operand_count && status == STATUS_DONE; i++)
		status = take_word(ctl, opened, ctl->operands[i], &count);
	if (ctl->operand_count == 2)
		status = take_input(ctl, opened, &count);
	if (status == STATUS_DONE && count < opened->bytes / 8)
		return wrong_usage(ctl, "there are %zu numbers, a vector has %zu", count,
				   opened->bytes / 8);
	return status;
}

/* Whether the result has doubles. */
static bool is_real(const struct opened *opened)
{
	if (opened->operation == DSO_MEAN || opened->operation == DSO_VARIANCE)
		return true;
	return opened->operation < DSO_COUNT && opened->element == DSO_DOUBLE;
}

/* JSON has no infinities: they, and what is no number, are texts. */
static json_t *json_element(const struct opened *opened, size_t i)
{
	char text[32];
	json_t *number;

	if (!is_real(opened))
		return json_integer((json_int_t)opened->vector[i].integer);
	number = json_real(opened->vector[i].real);
	snprintf(text, sizeof text, "%.17g", opened->vector[i].real);
	return number ? number : json_string(text);
}

static enum exit_status print_result(struct dsoctl *ctl, const struct opened *opened,
				     uint64_t round, uint32_t contributors)
{
	size_t length = opened->bytes / 8;
	json_t *values;

	if (!ctl->json) {
		for (size_t i = 0; i < length; i++) {
			if (is_real(opened))
				printf("%.17g\n", opened->vector[i].real);
			else
				printf("%" PRId64 "\n", opened->vector[i].integer);
		}
		return STATUS_DONE;
	}
	values = json_array();
	for (size_t i = 0; i < length; i++)
		json_array_append_new(values, json_element(opened, i));
	return print_json(json_pack("{s:o, s:I, s:I, s:o}", "name", json_text(ctl->operands[0]),
				    "round", (json_int_t)round, "contributors",
				    (json_int_t)contributors, "values", values));
}

static enum exit_status print_round(struct dsoctl *ctl, uint64_t round)
{
	if (ctl->json)
		return print_json(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					    "round", (json_int_t)round));
	printf("%" PRIu64 "\n", round);
	return STATUS_DONE;
}

/* The round that the second operand names; 0: the current one. */
static enum exit_status take_round(struct dsoctl *ctl, uint64_t *ret_round)
{
	*ret_round = 0;
	if (ctl->operand_count > 1 && parse_number(ctl->operands[1], 1, INT64_MAX, ret_round))
		return wrong_usage(ctl, "%s is no round: they count from 1", ctl->operands[1]);
	return STATUS_DONE;
}

/* ---- the commands ---- */

/* The place of @word in @names; 0: it is none of them. */
static unsigned find(const char *word, const char *const *names, size_t count)
{
	unsigned i = (unsigned)count;

	while (--i > 0 && strcmp(word, names[i]) != 0)
		;
	return i;
}

enum exit_status run_agg_open(struct dsoctl *ctl)
{
	struct dso_aggregator_params params = {.contributors = (uint32_t)ctl->count};
	struct dso_aggregator *aggregator;
	int r;

	if (parse_number(ctl->operands[1], 1, DSO_AGGREGATOR_LENGTH_MAX, &params.length))
		return wrong_usage(ctl, "%s is no length: 1 to %llu numbers", ctl->operands[1],
				   DSO_AGGREGATOR_LENGTH_MAX);
	if (!(ctl->options & OPTION_COUNT) || ctl->count > DSO_AGGREGATOR_CONTRIBUTORS_MAX)
		return wrong_usage(ctl, "-n is 1 to %d contributors",
				   DSO_AGGREGATOR_CONTRIBUTORS_MAX);
	params.operation = DSO_SUM;
	params.element = DSO_DOUBLE;
	if (ctl->operand_count > 2)
		params.operation = (enum dso_operation)find(ctl->operands[2], operations,
							    COUNT_OF(operations));
	if (ctl->operand_count > 3)
		params.element =
			(enum dso_element)find(ctl->operands[3], elements, COUNT_OF(elements));
	if (!params.operation || !params.element)
		return wrong_usage(ctl, "an operation is sum, min, max, mean, variance, count, "
					"argmin or argmax, an element int64 or double");
	r = dso_aggregator_open(ctl->session, ctl->operands[0], &params, &aggregator);
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o}", "name", json_text(ctl->operands[0])));
}

enum exit_status run_agg_contribute(struct dsoctl *ctl)
{
	struct opened opened;
	uint64_t id, round;
	enum exit_status status;
	int r;

	if (parse_number(ctl->operands[1], 0, DSO_AGGREGATOR_CONTRIBUTORS_MAX - 1, &id))
		return wrong_usage(ctl, "%s is no id: they count from 0", ctl->operands[1]);
	status = open_aggregator(ctl, &opened);
	if (status == STATUS_DONE)
		status = take_vector(ctl, &opened);
	if (status)
		return status;
	r = dso_aggregator_contribute(opened.aggregator, (uint32_t)id, opened.vector, opened.bytes,
				      0, time_left(ctl), &round);
	return r ? fail_wait(ctl, r) : print_round(ctl, round);
}

enum exit_status run_agg_wait(struct dsoctl *ctl)
{
	struct opened opened;
	uint64_t round;
	uint32_t contributors;
	enum exit_status status = take_round(ctl, &round);
	int r = 0;

	if (status == STATUS_DONE)
		status = open_aggregator(ctl, &opened);
	if (status)
		return status;
	if (round == 0)
		r = dso_aggregator_stat(opened.aggregator, &round, NULL, NULL);
	if (r == 0)
		r = dso_aggregator_round_wait(opened.aggregator, round, opened.vector, opened.bytes,
					      time_left(ctl), &contributors);
	return r ? fail_wait(ctl, r) : print_result(ctl, &opened, round, contributors);
}

enum exit_status run_agg_get(struct dsoctl *ctl)
{
	struct opened opened;
	uint64_t round;
	uint32_t contributors;
	enum exit_status status = open_aggregator(ctl, &opened);
	int r;

	if (status)
		return status;
	r = dso_aggregator_get(opened.aggregator, opened.vector, opened.bytes, &round,
			       &contributors);
	return r ? fail(ctl, r) : print_result(ctl, &opened, round, contributors);
}

enum exit_status run_agg_finish(struct dsoctl *ctl)
{
	struct opened opened;
	uint64_t round;
	enum exit_status status = take_round(ctl, &round);
	int r;

	if (status == STATUS_DONE)
		status = open_aggregator(ctl, &opened);
	if (status)
		return status;
	r = dso_aggregator_finish(opened.aggregator, round, &round);
	return r ? fail(ctl, r) : print_round(ctl, round);
}

enum exit_status run_agg_reset(struct dsoctl *ctl)
{
	struct opened opened;
	enum exit_status status = open_aggregator(ctl, &opened);
	int r = status ? 0 : dso_aggregator_reset(opened.aggregator);

	if (status)
		return status;
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o}", "name", json_text(ctl->operands[0])));
}

enum exit_status run_agg_stat(struct dsoctl *ctl)
{
	struct opened opened;
	uint64_t round;
	uint32_t contributed;
	int broken, r;
	json_t *object;
	enum exit_status status = open_aggregator(ctl, &opened);

	if (status)
		return status;
	r = dso_aggregator_stat(opened.aggregator, &round, &contributed, &broken);
	if (r)
		return fail(ctl, r);
	object = json_pack("{s:o, s:I, s:s, s:s, s:I, s:I, s:b}", "name",
			   json_text(ctl->operands[0]), "length", (json_int_t)(opened.bytes / 8),
			   "operation", operations[opened.operation], "element",
			   elements[opened.element], "round", (json_int_t)round, "contributed",
			   (json_int_t)contributed, "broken", broken);
	return ctl->json ? print_json(object) : print_members(object);
}
