/* SPDX-License-Identifier: Apache-2.0 */
/* The build without rdma-core. */
#include "lib/core/transport.h"

#include <errno.h>
#include <stdio.h>

int transport_verbs_connect(const struct attachment *attachment, struct transport **ret_transport)
{
	(void)ret_transport;
	snprintf(attachment->reason, attachment->reason_bytes, "this build has no transport verbs");
	return -EOPNOTSUPP;
}
