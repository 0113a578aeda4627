/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/control.h"
#include "proto/layout.h"

/* What an entry of the table says of a body beside its length. */
enum body_kind {
	BODY_PLAIN, /* nothing */
	BODY_HELLO,
	BODY_ATTACH,
	BODY_OPEN, /* a name follows */
	BODY_NAME, /* a name follows */
	BODY_PREFIX,
	BODY_CLOSE, /* struct control_close */
	BODY_LIST,
	BODY_QUEUE_PAIR,
	BODY_WAIT,
	BODY_USE,
	BODY_GROW,
	BODY_REDUCE,
};

struct message {
	const char *name; /* NULL: no such type */
	uint16_t length_bytes_min;
	uint16_t length_bytes_max;
	uint8_t body; /* enum body_kind */
	bool is_notice;
};

#define EXACTLY(bytes) .length_bytes_min = (bytes), .length_bytes_max = (bytes)
#define NAME_AFTER(bytes) \
	.length_bytes_min = (bytes), .length_bytes_max = (bytes) + CONTROL_NAME_BYTES_MAX
#define AT_MOST(bytes) .length_bytes_max = (bytes)

_Static_assert(CONTROL_NAME_BYTES_MAX == 255, "a name's length is one byte");

/* clang-format off */
static const struct message messages[] = {
	[CONTROL_HELLO] = {"HELLO", EXACTLY(sizeof(struct control_hello)), .body = BODY_HELLO},
	[CONTROL_ATTACH] = {"ATTACH", EXACTLY(sizeof(struct control_attach)), .body = BODY_ATTACH},
	[CONTROL_GOODBYE] = {"GOODBYE", EXACTLY(0)},
	[CONTROL_PING] = {"PING", EXACTLY(0)},
	[CONTROL_OPEN] = {"OPEN", NAME_AFTER(sizeof(struct control_open)), .body = BODY_OPEN},
	[CONTROL_CLOSE] = {"CLOSE", EXACTLY(sizeof(struct control_close)), .body = BODY_CLOSE},
	[CONTROL_DELETE] = {"DELETE", NAME_AFTER(sizeof(struct control_name)), .body = BODY_NAME},
	[CONTROL_LIST] = {"LIST", EXACTLY(sizeof(struct control_list)), .body = BODY_LIST},
	[CONTROL_STAT] = {"STAT", NAME_AFTER(sizeof(struct control_name)), .body = BODY_NAME},
	[CONTROL_SERVER_STAT] = {"SERVER_STAT", EXACTLY(0)},
	[CONTROL_QUEUE_PAIR] = {"QUEUE_PAIR", EXACTLY(sizeof(struct control_queue_pair)),
				.body = BODY_QUEUE_PAIR},
	[CONTROL_FIGURES] = {"FIGURES", EXACTLY(0)},
	[CONTROL_WAIT] = {"WAIT", EXACTLY(sizeof(struct control_wait)), .body = BODY_WAIT},
	[CONTROL_WAKE] = {"WAKE", EXACTLY(sizeof(struct control_wake))},
	[CONTROL_CANCEL] = {"CANCEL", EXACTLY(0)},
	[CONTROL_WAKE_QUIETLY] = {"WAKE_QUIETLY", EXACTLY(sizeof(struct control_wake)),
				  .is_notice = true},
	[CONTROL_HELD] = {"HELD", EXACTLY(sizeof(struct control_held))},
	[CONTROL_USE] = {"USE", EXACTLY(sizeof(struct control_use)), .body = BODY_USE,
			 .is_notice = true},
	[CONTROL_GROW] = {"GROW", EXACTLY(sizeof(struct control_grow)), .body = BODY_GROW},
	[CONTROL_REDUCE] = {"REDUCE", EXACTLY(sizeof(struct control_reduce)),
			    .body = BODY_REDUCE},
	[CONTROL_DELETE_PREFIX] = {"DELETE_PREFIX",
				   NAME_AFTER(sizeof(struct control_delete_prefix)),
				   .body = BODY_PREFIX},
	[CONTROL_DELETED] = {"DELETED", EXACTLY(sizeof(struct control_close)), .body = BODY_CLOSE,
			     .is_notice = true},
	[CONTROL_FENCED] = {"FENCED", AT_MOST(CONTROL_BODY_BYTES_MAX), .is_notice = true},
};
/* clang-format on */

static const struct message *message_of(unsigned type)
{
	if (type >= sizeof messages / sizeof messages[0] || !messages[type].name)
		return NULL;
	return &messages[type];
}

static bool is_zero(const void *bytes, size_t count)
{
	const uint8_t *byte = bytes;

	while (count > 0 && byte[count - 1] == 0)
		count--;
	return count == 0;
}

static enum wire_status well_formed_if(bool is_well_formed)
{
	return is_well_formed ? WIRE_OK : WIRE_MALFORMED;
}

static bool header_is_well_formed(const struct control_header *header,
				  const struct message *message)
{
	uint32_t length_bytes = le32_get(header->length_bytes);

	return length_bytes >= message->length_bytes_min &&
	       length_bytes <= message->length_bytes_max && le16_get(header->status) == 0 &&
	       (le32_get(header->request) == 0) == message->is_notice &&
	       le32_get(header->reserved) == 0;
}

static bool hello_is_well_formed(const struct control_hello *hello)
{
	const uint8_t *end = memchr(hello->name_space, '\0', sizeof hello->name_space);

	return !memcmp(hello->magic, CONTROL_MAGIC, sizeof hello->magic) &&
	       le16_get(hello->version_min) <= le16_get(hello->version_max) && end &&
	       is_zero(end, (size_t)(hello->name_space + sizeof hello->name_space - end));
}

static bool attach_is_well_formed(const struct control_attach *attach)
{
	uint8_t transport = attach->transport;

	return transport != 0 && (transport & (transport - 1)) == 0 &&
	       is_zero(attach->reserved, sizeof attach->reserved);
}

static bool use_is_well_formed(const struct control_use *use)
{
	uint8_t transport = use->transport;

	return transport != 0 && (transport & (transport - 1)) == 0 &&
	       is_zero(use->reserved, sizeof use->reserved);
}

static bool open_is_well_formed(const struct control_open *open)
{
	return !(open->flags &
		 ~(CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS | CONTROL_OPEN_EPHEMERAL)) &&
	       le32_get(open->reserved) == 0;
}

static bool queue_pair_is_well_formed(const struct control_queue_pair *queue_pair)
{
	unsigned mtu = le16_get(queue_pair->mtu);

	return mtu >= 256 && mtu <= 4096 && (mtu & (mtu - 1)) == 0 &&
	       le16_get(queue_pair->port) != 0 && le16_get(queue_pair->rd_atomic) != 0 &&
	       le32_get(queue_pair->qpn) >> 24 == 0 && le32_get(queue_pair->psn) >> 24 == 0 &&
	       le16_get(queue_pair->reserved) == 0 && le32_get(queue_pair->rkey) == 0 &&
	       le32_get(queue_pair->reserved2) == 0 && le64_get(queue_pair->region_address) == 0;
}

/* The name of @name_bytes fills the body behind its first @fixed_bytes. */
static enum wire_status check_name(const struct control_header *header, const void *body,
				   size_t fixed_bytes, uint8_t name_bytes)
{
	if (le32_get(header->length_bytes) != fixed_bytes + name_bytes)
		return WIRE_MALFORMED;
	if (name_bytes == 0 || memchr((const uint8_t *)body + fixed_bytes, '\0', name_bytes))
		return WIRE_NAME;
	return WIRE_OK;
}

static bool wait_is_well_formed(const struct control_wait *wait)
{
	static const struct {
		uint16_t share_min, share_max;
		bool expects, leaves;
	} allowed[] = {
		[CONTROL_WAIT_CHANGED] = {0, UINT16_MAX, true, true},
		[CONTROL_WAIT_GIVEN_BACK] = {0, 0, false, true},
		[CONTROL_WAIT_TAKEN] = {0, 0, true, true},
		[CONTROL_WAIT_SUM_LEAST] = {1, COUNTER_STRIPES_MAX, true, false},
		[CONTROL_WAIT_SUM_OTHER] = {1, COUNTER_STRIPES_MAX, true, false},
		[CONTROL_WAIT_NEWER] = {0, 0, true, false},
	};
	unsigned until = wait->until, share = le16_get(wait->share);

	return until < sizeof allowed / sizeof *allowed && wait->again <= 1 &&
	       share >= allowed[until].share_min && share <= allowed[until].share_max &&
	       (allowed[until].expects || le64_get(wait->expected) == 0) &&
	       (allowed[until].leaves || le64_get(wait->leave) == 0);
}

static enum wire_status check_body(const struct control_header *header,
				   const struct message *message, const void *body)
{
	const struct control_open *open = body;
	const struct control_name *name = body;
	const struct control_delete_prefix *prefix = body;
	const struct control_close *close = body;
	const struct control_list *list = body;
	const struct control_grow *grow = body;
	const struct control_reduce *reduce = body;

	switch ((enum body_kind)message->body) {
	case BODY_PLAIN:
		return WIRE_OK;
	case BODY_HELLO:
		return well_formed_if(hello_is_well_formed(body));
	case BODY_ATTACH:
		return well_formed_if(attach_is_well_formed(body));
	case BODY_OPEN:
		if (!open_is_well_formed(open))
			return WIRE_MALFORMED;
		return check_name(header, body, sizeof *open, open->name_bytes);
	case BODY_NAME:
		if (!is_zero(name->reserved, sizeof name->reserved))
			return WIRE_MALFORMED;
		return check_name(header, body, sizeof *name, name->name_bytes);
	case BODY_PREFIX:
		if (!is_zero(prefix->reserved, sizeof prefix->reserved))
			return WIRE_MALFORMED;
		return check_name(header, body, sizeof *prefix, prefix->name_bytes);
	case BODY_CLOSE:
		return well_formed_if(le32_get(close->reserved) == 0);
	case BODY_LIST:
		return well_formed_if(le32_get(list->reserved) == 0);
	case BODY_QUEUE_PAIR:
		return well_formed_if(queue_pair_is_well_formed(body));
	case BODY_WAIT:
		return well_formed_if(wait_is_well_formed(body));
	case BODY_USE:
		return well_formed_if(use_is_well_formed(body));
	case BODY_GROW:
		return well_formed_if(le16_get(grow->reserved) == 0);
	case BODY_REDUCE:
		return well_formed_if(le32_get(reduce->reserved) == 0);
	}
	return WIRE_MALFORMED;
}

enum wire_status control_check(const struct control_header *header, const void *body)
{
	const struct message *message = message_of(le16_get(header->type));

	if (!message || !header_is_well_formed(header, message))
		return WIRE_MALFORMED;
	return body ? check_body(header, message, body) : WIRE_OK;
}

const char *control_type_name(unsigned type)
{
	const struct message *message = message_of(type);

	return message ? message->name : "unknown";
}
