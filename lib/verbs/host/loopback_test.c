/* SPDX-License-Identifier: Apache-2.0 */
/* The storage host's own: its device, the memory that it registers, and loopback queue pairs. Needs
 * an RDMA device, else it is skipped. */
#include "lib/verbs/queue_pair.h"
#include "lib/verbs/host/test_host.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

START_TEST(a_device_passes_its_self_test_and_describes_itself)
{
	struct verbs_device *device;
	char reason[256] = "";
	int status = verbs_device_open(NULL, &device, reason, sizeof reason);

	ck_assert_msg(status == 0, "%s", reason);
	ck_assert_ptr_nonnull(strstr(verbs_device_summary(device), verbs_device_name(device)));
	ck_assert_ptr_nonnull(strstr(verbs_device_summary(device), verbs_device_address(device)));
	verbs_device_close(device);
	status = verbs_device_open("nonesuch0", &device, reason, sizeof reason);
	ck_assert_int_eq(status, -ENODEV);
	ck_assert_ptr_nonnull(strstr(reason, "nonesuch0"));
	verbs_device_close(NULL);
}
END_TEST

START_TEST(a_loopback_and_a_client_update_one_word_exactly)
{
	enum { COUNT = 3000 };
	uint8_t *memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct verbs_device *device;
	struct verbs_region *region;
	struct transport *loopbacks[2];
	char reason[256] = "";
	uint64_t value;

	ck_assert_int_eq(verbs_device_open(NULL, &device, reason, sizeof reason), 0);
	ck_assert_int_eq(
		verbs_region_register(device, memory, 4096, &region, reason, sizeof reason), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(verbs_loopback_open(region, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS,
						     NULL, &loopbacks[i], reason, sizeof reason),
				 0);
	for (unsigned i = 0; i < COUNT; i++) {
		struct op op = op_faa(8, 3);

		ck_assert_int_eq(test_execute(loopbacks[i % 2], &op), 0);
		ck_assert_uint_eq(op.value, 3 * i);
	}
	memcpy(&value, memory + 8, sizeof value);
	ck_assert_uint_eq(value, 3 * COUNT);
	for (unsigned i = 0; i < 2; i++)
		transport_ops(loopbacks[i])->close(loopbacks[i]);
	verbs_region_deregister(region);
	verbs_device_close(device);
}
END_TEST

START_TEST(a_loopback_that_broke_works_again_and_what_was_under_way_is_told)
{
	uint8_t *memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ibv_qp_attr error = {.qp_state = IBV_QPS_ERR};
	struct verbs_device *device;
	struct verbs_region *region;
	struct transport *loopback;
	char reason[256] = "";
	uint64_t value;

	ck_assert_int_eq(verbs_device_open(NULL, &device, reason, sizeof reason), 0);
	ck_assert_int_eq(
		verbs_region_register(device, memory, 4096, &region, reason, sizeof reason), 0);
	ck_assert_int_eq(verbs_loopback_open(region, TRANSPORT_POLL_ADAPTIVE, HOST_TIMEOUT_NS,
					     &host_notes, &loopback, reason, sizeof reason),
			 0);
	for (unsigned i = 0; i < 3; i++) {
		struct op op = op_faa(8, 1), lost = op_faa(8, 1);

		ck_assert_int_eq(test_execute(loopback, &op), 0);
		ck_assert_uint_eq(op.value, i);
		verbs_api.ibv.modify_qp(((struct queue_pair *)loopback)->qp, &error, IBV_QP_STATE);
		/* The device executes nothing of a queue pair in the error state. */
		ck_assert_int_eq(test_execute(loopback, &lost), -ECONNRESET);
		ck_assert_ptr_nonnull(strstr(host_breakage, "a FAA: Work Request Flushed"));
		host_breakage[0] = '\0';
		usleep(60000); /* it is not tried all the time */
	}
	memcpy(&value, memory + 8, sizeof value);
	ck_assert_uint_eq(value, 3);
	transport_ops(loopback)->close(loopback);
	verbs_region_deregister(region);
	verbs_device_close(device);
}
END_TEST

START_TEST(memory_that_cannot_be_registered_is_refused_with_a_sentence)
{
	struct verbs_device *device;
	struct verbs_region *region;
	char reason[256] = "";
	void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(verbs_device_open(NULL, &device, reason, sizeof reason), 0);
	reason[0] = '\0';
	ck_assert_int_lt(
		verbs_region_register(device, memory, 4096, &region, reason, sizeof reason), 0);
	ck_assert_ptr_nonnull(strstr(reason, verbs_device_name(device)));
	munmap(memory, 4096);
	ck_assert_int_lt(
		verbs_region_register(device, memory, 4096, &region, reason, sizeof reason), 0);
	verbs_device_close(device);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loopback");
	TCase *tests = tcase_create("device");

	if (!test_have_device())
		return 0;
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, a_device_passes_its_self_test_and_describes_itself);
	tcase_add_test(tests, a_loopback_and_a_client_update_one_word_exactly);
	tcase_add_test(tests, a_loopback_that_broke_works_again_and_what_was_under_way_is_told);
	tcase_add_test(tests, memory_that_cannot_be_registered_is_refused_with_a_sentence);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
