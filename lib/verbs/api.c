/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verbs/api.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

struct verbs_api verbs_api;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static bool loaded;
static pid_t loader;
static char load_reason[160];

/* The libraries stay loaded: the providers of devices register themselves in them and cannot be
 * unloaded. */
static void *open_library(const char *file, const char *package)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		snprintf(load_reason, sizeof load_reason,
			 "%s cannot be loaded (install the packages %s and ibverbs-providers)",
			 file, package);
	return library;
}

static bool find(void *library, const char *symbol, void *ret_function)
{
	void *found = dlsym(library, symbol);

	if (!found) {
		snprintf(load_reason, sizeof load_reason,
			 "%s is missing from the installed rdma-core, which is too old", symbol);
		return false;
	}
	/* POSIX allows a function's address as an object pointer; C needs this detour. */
	*(void **)ret_function = found;
	return true;
}

static void load(void)
{
	void *ibv = open_library("libibverbs.so.1", "libibverbs1");
	void *cm = ibv ? open_library("librdmacm.so.1", "librdmacm1") : NULL;

	if (!cm)
		return;
#define X(name, symbol)                               \
	if (!find(ibv, #symbol, &verbs_api.ibv.name)) \
		return;
	VERBS_API_IBV(X)
#undef X
#define X(name, symbol)                             \
	if (!find(cm, #symbol, &verbs_api.cm.name)) \
		return;
	VERBS_API_CM(X)
#undef X
	/*
	 * A function may fork (to run a command, say). Kernels since 5.12 copy pinned pages at
	 * fork, and then this call does nothing; on older ones it keeps the parent's registered
	 * pages its own. It fails where other code in this process has registered memory before:
	 * then the choice of that code stands.
	 */
	verbs_api.ibv.fork_init();
	loader = getpid();
	loaded = true;
}

int verbs_api_load(char *reason, size_t reason_bytes)
{
	pthread_once(&load_once, load);
	if (loaded && loader == getpid())
		return 0;
	/* The libraries keep devices open, which the kernel serves only to the process that opened
	 * them. */
	snprintf(reason, reason_bytes, "%s",
		 loaded ? "RDMA was in use before this process was forked, and cannot be used in "
			  "both"
			: load_reason);
	return -EOPNOTSUPP;
}

const char *verbs_memory_hint(int error)
{
	if (error == ENOMEM || error == EPERM)
		return "; raise the locked memory limit (ulimit -l)";
	return "";
}
