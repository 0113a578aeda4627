/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faulty_replies.h"
#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "tests/play.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGION_BYTES 65536

_Atomic enum fault fault;
_Atomic uint64_t first_parameter = 64;

static _Atomic unsigned seed;

static void random_bytes(uint8_t *bytes, size_t count)
{
	unsigned state = atomic_fetch_add(&seed, 1);

	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)rand_r(&state);
}

static void welcome(int fd, const struct control_header *request)
{
	struct control_welcome honest = {.version = le16_of(CONTROL_VERSION),
					 .domain = CONTROL_DOMAIN_CPU,
					 .transports = CONTROL_TCP,
					 .ttl_ms = le32_of(10000),
					 .features = le64_of(CONTROL_FEATURES),
					 .session = le64_of(65536 + 7),
					 .region_bytes = le64_of(REGION_BYTES)};
	struct control_header header = *request;
	uint8_t noise[512];

	random_bytes(noise, sizeof noise);
	switch (atomic_load(&fault)) {
	case RANDOM_BYTES:
		give(fd, noise, sizeof noise);
		return;
	case RANDOM_BODY:
		reply(fd, request, WIRE_OK, noise, sizeof honest);
		return;
	case HALF_A_HEADER:
		give(fd, &header, sizeof header / 2);
		return;
	case HUGE_LENGTH:
		header.length_bytes = le32_of(UINT32_MAX);
		give(fd, &header, sizeof header);
		return;
	case WRONG_LENGTH:
		reply(fd, request, WIRE_OK, noise, sizeof honest - 1);
		return;
	case OTHER_VERSION:
		honest.version = le16_of(CONTROL_VERSION + 1);
		break;
	case HOLDS_UNKNOWN:
		honest.features = le64_of(CONTROL_FEATURE_WAIT);
		break;
	case NO_FEATURES:
		honest.features = le64_of(0);
		break;
	case NO_OWNER:
		honest.session = le64_of(65536);
		break;
	case REFUSAL_WITHOUT_TEXT:
		reply(fd, request, 60000, NULL, 0);
		return;
	case SILENCE:
		return;
	default:
		break;
	}
	reply(fd, request, WIRE_OK, &honest, sizeof honest);
}

/* A future whose value does not lie in the object itself. */
static void future_with_annex(struct control_opened *opened)
{
	static const uint64_t annexes[] = {
		[ANNEX_OUTSIDE_THE_REGION] = REGION_BYTES - 4096,
		[ANNEX_FAR_OUTSIDE] = UINT64_MAX - 4095,
		[NO_ANNEX_FOR_THE_CAPACITY] = 0,
		[ANNEX_INSIDE] = REGION_BYTES - 8192,
	};
	le64_t *parameter = opened->parameters.parameter;

	opened->length_bytes = le64_of(FUTURE_SLOT_OFFSET + REGISTER_SLOT_BYTES(64));
	parameter[FUTURE_PARAMETER_CAPACITY] = le64_of(8192);
	parameter[FUTURE_PARAMETER_ROOM] = le64_of(64);
	parameter[FUTURE_PARAMETER_ANNEX] = le64_of(annexes[fault]);
}

static void opened(int fd, const struct control_header *request, const struct control_open *open)
{
	bool is_counter = fault == NO_FEATURES && le16_get(open->type) == OBJECT_COUNTER;
	struct control_opened honest = {.offset = le64_of(4096),
					.length_bytes = le64_of(128),
					.generation = le32_of(1),
					.handle = le32_of(1)};

	/* A counter of one stripe, or memory. */
	if (fault < TAKEN_CUT_SHORT || fault == WORDS_THAT_CHANGE)
		honest.parameters.parameter[1] = le64_of(1);
	else
		honest.parameters.parameter[0] = le64_of(first_parameter);
	if (is_counter)
		honest.parameters = (struct control_parameters){.parameter[1] = le64_of(1)};
	if (fault >= TAKEN_CUT_SHORT)
		honest.length_bytes = le64_of(REGION_BYTES / 2);
	if (fault >= ANNEX_OUTSIDE_THE_REGION)
		future_with_annex(&honest);
	if (fault == OPEN_OUTSIDE_THE_REGION)
		honest.offset = le64_of(REGION_BYTES - 64);
	if (fault == OPEN_WITH_TOO_MANY_STRIPES)
		honest.parameters.parameter[1] = le64_of(1000);
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (fault == OPEN_TOO_SHORT ? 8 : 0));
}

static void held(int fd, const struct control_header *request)
{
	struct {
		struct control_holds page;
		struct control_hold hold;
		uint8_t name[3];
	} honest = {.page = {.cursor = le64_of(1), .count = le32_of(1)},
		    .hold = {.name_bytes = sizeof honest.name}};

	if (fault == HOLDS_TOO_MANY)
		honest.page.count = le32_of(65);
	if (fault == HOLDS_RANDOM)
		random_bytes((uint8_t *)&honest, sizeof honest);
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (fault == HOLDS_CUT_SHORT));
}

static void listed(int fd, const struct control_header *request)
{
	struct {
		struct control_page page;
		struct control_entry entry;
		uint8_t name[3];
	} honest = {.page = {.cursor = le32_of(1), .count = le32_of(1)},
		    .entry = {.name_bytes = sizeof honest.name}};

	reply(fd, request, WIRE_OK, &honest, sizeof honest);
}

static void waited(int fd, const struct control_header *request)
{
	struct control_waited honest = {
		.taken = le64_of(fault == TAKEN_FOR_ANOTHER ? owned_word(1, 8) : 0)};

	if (fault == WAIT_FAILS_STRANGELY) {
		reply(fd, request, 60000, NULL, 0);
		return;
	}
	if (fault == DEVICE_FAILS_IN_A_WAIT) {
		reply(fd, request, WIRE_DEVICE, NULL, 0);
		return;
	}
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (fault == TAKEN_CUT_SHORT));
}

static void execute(int fd)
{
	struct data_response response = {.opcode = DATA_FAA};
	struct data_request request;
	uint8_t noise[1000];

	if (!take(fd, &request, sizeof request))
		return;
	if (fault == DATA_OF_ANOTHER_OPCODE)
		response.opcode = DATA_READ;
	if (fault == DATA_WITH_A_HUGE_LENGTH)
		response.length_bytes = le32_of(UINT32_MAX);
	random_bytes(noise, sizeof noise);
	if (fault == DATA_RANDOM)
		give(fd, noise, sizeof noise);
	else
		give(fd, &response, sizeof response);
}

/* Which is no fault: others had not been told of what was asked for. */
static void fenced(int fd)
{
	static const char sentence[] = "it was silent";
	struct control_header header = control_header_of(CONTROL_FENCED, 0, 0, sizeof sentence - 1);

	give(fd, &header, sizeof header);
	give(fd, sentence, sizeof sentence - 1);
}

/* The data path of a storaged that breaks the protocol on its control connection alone: every word
 * is 0. Or, as if others were quicker each time, another number. */
static void execute_honestly(int fd)
{
	unsigned status = fault == DEVICE_FAILS             ? WIRE_DEVICE
			  : fault == DEVICE_FAILS_STRANGELY ? 60000
							    : WIRE_OK;
	struct data_request request;
	uint64_t number = 0;

	while (take(fd, &request, sizeof request)) {
		bool reads = request.opcode == DATA_READ && status == WIRE_OK;
		struct data_response response = {.opcode = request.opcode,
						 .status = le16_of((uint16_t)status),
						 .length_bytes = le32_of(reads ? 8 : 0)};
		uint64_t word = 0;

		if (fault == WORDS_THAT_CHANGE)
			response.value = le64_of(++number);
		give(fd, &response, sizeof response);
		give(fd, &word, reads ? sizeof word : 0);
	}
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct control_header request;
	uint8_t body[CONTROL_BODY_BYTES_MAX];

	while (fault != CLOSE_AT_ONCE && take(fd, &request, sizeof request) &&
	       le32_get(request.length_bytes) <= sizeof body &&
	       take(fd, body, le32_get(request.length_bytes))) {
		switch (le16_get(request.type)) {
		case CONTROL_HELLO:
			welcome(fd, &request);
			break;
		case CONTROL_ATTACH:
			reply(fd, &request, WIRE_OK, NULL, 0);
			if (fault < TAKEN_CUT_SHORT)
				execute(fd);
			else
				execute_honestly(fd);
			break;
		case CONTROL_OPEN:
			opened(fd, &request, (const struct control_open *)body);
			break;
		case CONTROL_WAIT:
			if (fault == ANSWERS_OF_ANOTHER_TYPE)
				request.type = le16_of(CONTROL_WAKE);
			waited(fd, &request);
			break;
		case CONTROL_HELD:
			held(fd, &request);
			break;
		case CONTROL_LIST:
			if (fault == LISTING_THAT_NEVER_ENDS) {
				listed(fd, &request);
				break;
			}
			/* fall through */
		default:
			if (fault == WAKES_UNANSWERED && le16_get(request.type) == CONTROL_WAKE) {
				while (take(fd, body, 1))
					;
				break;
			}
			/* Not a heartbeat, or a notice. */
			if (fault == FENCED_INSTEAD_OF_AN_ANSWER &&
			    (int32_t)le32_get(request.request) > 0) {
				fenced(fd);
				break;
			}
			if (fault == ANSWERS_OF_ANOTHER_TYPE)
				request.type = le16_of(CONTROL_CLOSE);
			reply(fd, &request, WIRE_OK, NULL, 0);
		}
	}
	close(fd);
	return NULL;
}

const char *faulty_replies_begin(unsigned from)
{
	seed = from;
	return play_over_tcp(serve);
}
