/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a device may serve is found out by trying: some have no atomics although they say so,
 * some return the value before in big-endian.
 */
#include "lib/verbs/host/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define SCRATCH_BYTES 16384
#define BLOCK_BYTES   5000 /* more than one packet at every MTU, and no multiple of one */
#define BLOCK_OFFSET  1025
#define WORD_OFFSET   8192
#define TIMEOUT_NS    1000000000LL
/* The sum carries out of the low half, and no byte of it stays what it was. */
#define WORD_BEFORE 0x01234567fedcba98ULL
#define ADDEND      0x1111111123456789ULL
#define SWAPPED     0xa5a5a5a55a5a5a5aULL

static bool run(struct transport *transport, struct op *op)
{
	const struct transport_ops *ops = transport_ops(transport);

	if (ops->submit(transport, op) || ops->flush(transport))
		return false;
	while (op->status == -EINPROGRESS)
		if (ops->progress(transport, TIMEOUT_NS) && op->status == -EINPROGRESS)
			return false;
	return op->status == 0;
}

static bool bytes_pass(struct transport *transport, const uint8_t *scratch)
{
	uint8_t sent[BLOCK_BYTES], received[BLOCK_BYTES] = {0};
	struct op write = {.opcode = DATA_WRITE,
			   .length_bytes = BLOCK_BYTES,
			   .offset = BLOCK_OFFSET,
			   .buffer = sent};
	struct op read = {.opcode = DATA_READ,
			  .length_bytes = BLOCK_BYTES,
			  .offset = BLOCK_OFFSET,
			  .buffer = received};

	for (unsigned i = 0; i < BLOCK_BYTES; i++)
		sent[i] = i * 7 + (i >> 8);
	return run(transport, &write) && run(transport, &read) &&
	       memcmp(sent, received, BLOCK_BYTES) == 0 &&
	       memcmp(sent, scratch + BLOCK_OFFSET, BLOCK_BYTES) == 0;
}

static bool atomic_passes(struct transport *transport, const uint8_t *scratch, struct op *op,
			  uint64_t before, uint64_t after)
{
	uint64_t word;

	op->offset = WORD_OFFSET;
	op->length_bytes = 8;
	if (!run(transport, op) || op->value != before)
		return false;
	memcpy(&word, scratch + WORD_OFFSET, sizeof word);
	return word == after;
}

/* Returns what failed, or NULL. */
static const char *failing(struct transport *transport, uint8_t *scratch)
{
	struct op faa = {.opcode = DATA_FAA, .operand = ADDEND};
	struct op miss = {.opcode = DATA_CAS, .operand = WORD_BEFORE, .swap = SWAPPED};
	struct op hit = {.opcode = DATA_CAS, .operand = WORD_BEFORE + ADDEND, .swap = SWAPPED};
	uint64_t before = WORD_BEFORE;

	if (!bytes_pass(transport, scratch))
		return "WRITE and READ";
	memcpy(scratch + WORD_OFFSET, &before, sizeof before);
	if (!atomic_passes(transport, scratch, &faa, WORD_BEFORE, WORD_BEFORE + ADDEND))
		return "FAA";
	if (!atomic_passes(transport, scratch, &miss, WORD_BEFORE + ADDEND, WORD_BEFORE + ADDEND) ||
	    !atomic_passes(transport, scratch, &hit, WORD_BEFORE + ADDEND, SWAPPED))
		return "CAS";
	return NULL;
}

int verbs_self_test(struct verbs_device *device, char *reason, size_t reason_bytes)
{
	uint8_t *scratch = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct verbs_region *region = NULL;
	struct transport *transport;
	const char *failure;
	int status;

	if (scratch == MAP_FAILED) {
		snprintf(reason, reason_bytes, "no memory");
		return -ENOMEM;
	}
	status = verbs_region_register(device, scratch, SCRATCH_BYTES, &region, reason,
				       reason_bytes);
	if (status == 0)
		status = verbs_loopback_open(region, TRANSPORT_POLL_ADAPTIVE, TIMEOUT_NS, NULL,
					     &transport, reason, reason_bytes);
	if (status == 0) {
		failure = failing(transport, scratch);
		if (failure) {
			snprintf(reason, reason_bytes,
				 "the RDMA device %s failed the self-test of %s", device->name,
				 failure);
			status = -EIO;
		}
		transport_ops(transport)->close(transport);
	}
	verbs_region_deregister(region);
	munmap(scratch, SCRATCH_BYTES);
	return status;
}
