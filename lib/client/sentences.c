/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/sentences.h"

#include <errno.h>
#include <string.h>

static const struct {
	int error;
	const char *sentence;
} sentences[] = {
	{ESTALE, "the object was deleted; open it again"},
	{ESHUTDOWN, "storaged has ended this session; open a new one"},
	{ENOTCONN, "the connection was lost before, and nothing was done; open a new session"},
	{ECONNRESET,
	 "the connection was lost while it was under way: it may or may not have been done"},
	{ERANGE, "outside the object"},
	{EINVAL, "it was refused as malformed"},
	{EMSGSIZE, "too long"},
	{EAGAIN, "too much is outstanding; reap completions first"},
	{EPERM, "this handle does not hold it"},
	{EDEADLK, "this session holds it already"},
	{EOWNERDEAD, "the session that held it ended"},
	{ENOTRECOVERABLE, "it is broken; reset a barrier, delete anything else and open it anew"},
	{EALREADY, "it was set or promised before, or its promise was broken"},
	{ETIMEDOUT, "not in time"},
	{ECANCELED, "dso_interrupt() ended the wait"},
	{EBADMSG, "what lies there is not what a writer wrote; delete it and create it anew"},
	{EOPNOTSUPP, "storaged is too old for it"},
	{EOVERFLOW, "its versions are used up; delete it and create it anew"},
	{EACCES, "the session may not do that"},
	{EIO, "storaged's RDMA device failed it"},
};

const char *error_sentence(int error)
{
	for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
		if (sentences[i].error == -error)
			return sentences[i].sentence;
	return strerror(-error);
}
