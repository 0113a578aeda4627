/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/trust.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_trusted(uid_t user)
{
	return user == 0 || user == geteuid();
}

static int refuse(char *reason, size_t reason_bytes, const char *what, const char *path, uid_t user)
{
	snprintf(reason, reason_bytes,
		 "%s %s belongs to user %u, who is neither root nor you: name it in DSO_URL if you "
		 "trust that user",
		 what, path, (unsigned)user);
	return -EACCES;
}

static int trust_directory(const char *path, char *reason, size_t reason_bytes)
{
	char directory[108];
	struct stat stat;

	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (lstat(directory[0] ? directory : "/", &stat)) {
		snprintf(reason, reason_bytes, "%s: %s", directory, strerror(errno));
		return -EACCES;
	}
	if (!is_trusted(stat.st_uid))
		return refuse(reason, reason_bytes, "the directory", directory, stat.st_uid);
	if (!S_ISDIR(stat.st_mode) || (stat.st_mode & 022 && !(stat.st_mode & S_ISVTX))) {
		snprintf(reason, reason_bytes,
			 "the directory %s can be written to by other users, who could pose as "
			 "storaged",
			 directory);
		return -EACCES;
	}
	return 0;
}

int trust_socket(const char *path, char *reason, size_t reason_bytes)
{
	struct stat stat;
	int r = trust_directory(path, reason, reason_bytes);

	if (r)
		return r;
	if (lstat(path, &stat)) {
		snprintf(reason, reason_bytes, "%s: %s", path, strerror(errno));
		return -EACCES;
	}
	if (!is_trusted(stat.st_uid))
		return refuse(reason, reason_bytes, "the unix socket", path, stat.st_uid);
	return 0;
}

int trust_peer(int fd, const char *path, char *reason, size_t reason_bytes)
{
	struct ucred peer;
	socklen_t bytes = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes)) {
		snprintf(reason, reason_bytes, "%s: %s", path, strerror(errno));
		return -EACCES;
	}
	return is_trusted(peer.uid) ? 0
				    : refuse(reason, reason_bytes, "the process that listens at",
					     path, peer.uid);
}
