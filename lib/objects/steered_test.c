/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/steered_test.h"

#include <dso/dso.h>

#include <check.h>
#include <stdlib.h>

static int steered_execute(struct transport *transport, struct op *op)
{
	struct steered *steered = (struct steered *)transport;
	int r = steered->before ? steered->before(steered, op) : 0;

	if (r)
		return r;
	steered->executed++;
	return transport_ops(steered->inside)->execute(steered->inside, op);
}

static int steered_cas(struct transport *transport, uint64_t offset, uint64_t expected,
		       uint64_t value, uint64_t *ret_before)
{
	struct op op = {.opcode = DATA_CAS,
			.length_bytes = 8,
			.offset = offset,
			.operand = expected,
			.swap = value};
	int r = steered_execute(transport, &op);

	*ret_before = op.value;
	return r;
}

static void steered_close(struct transport *transport)
{
	struct steered *steered = (struct steered *)transport;

	transport_ops(steered->inside)->close(steered->inside);
	free(steered);
}

static uint8_t *steered_at(struct transport *transport, uint64_t offset, uint64_t length_bytes)
{
	struct transport *inside = ((struct steered *)transport)->inside;

	return transport_ops(inside)->at(inside, offset, length_bytes);
}

/* Without `at`: what reaches the memory by itself cannot be seen. */
static const struct transport_ops steered_ops = {
	.name = "embedded", .close = steered_close, .execute = steered_execute, .cas = steered_cas};
static const struct transport_ops reaching_ops = {.name = "embedded",
						  .close = steered_close,
						  .execute = steered_execute,
						  .cas = steered_cas,
						  .at = steered_at};

void steered_reach(struct dso_session *session)
{
	steered_of(session)->base.ops = &reaching_ops;
}

struct dso_session *steered_open(const char *url)
{
	struct dso_session *session;
	struct steered *steered = calloc(1, sizeof *steered);

	ck_assert_ptr_nonnull(steered);
	ck_assert_msg(dso_open(url, NULL, &session) == 0, "%s", dso_error(NULL));
	*steered = (struct steered){
		.base = {&steered_ops}, .inside = session->transport, .limit = UINT64_MAX};
	session->transport = (struct transport *)steered;
	return session;
}

struct steered *steered_of(const struct dso_session *session)
{
	return (struct steered *)session->transport;
}
