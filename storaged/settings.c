/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/settings.h"
#include "storaged/settings_value.h"
#include "lib/store/store.h"
#include "proto/roce.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX    1024
#define ASSIGNMENTS_MAX   256 /* flags on a command line; lines of a file */
#define ORIGIN_BYTES_MAX  160
#define SETTING_KEY_FIRST 256 /* above every character: settings have no short flags */

#define STRING(x)    STRING_OF(x)
#define STRING_OF(x) #x
#define FIELD(name)  offsetof(struct settings, name)

const char *const settings_io[] = {"auto", "io_uring", "poll", NULL};
static const char *const domains[] = {"auto", "cpu", "device", NULL};
static const char *const transports[TRANSPORT_COUNT + 1] = {TRANSPORT_NAMES_BY_BIT};
static const char *const shm_fences[] = {"wait", "kill", NULL};
static const char *const polls[] = {"adaptive", "busy", "block", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

enum group { GROUP_NETWORK = 1, GROUP_MEMORY, GROUP_TRANSPORTS, GROUP_SESSIONS, GROUP_PROGRAM };

static const char *const group_titles[] = {
	[GROUP_NETWORK] = "Where storaged listens:",
	[GROUP_MEMORY] = "Memory:",
	[GROUP_TRANSPORTS] = "Transports:",
	[GROUP_SESSIONS] = "Sessions:",
	[GROUP_PROGRAM] = "The program:",
};

/* @initial NULL: there is no default value, and the help says what happens then. */
static const struct setting {
	const char *name, *argument, *initial;
	enum group group;
	struct settings_value value;
	const char *help;
} table[] = {
	{"listen",
	 "ADDR[:PORT]",
	 "127.0.0.1:7471",
	 GROUP_NETWORK,
	 {SETTINGS_LIST, FIELD(listen), 1, 255, NULL},
	 "TCP address, or `none'; repeat the option or separate several by commas. IPv6 as "
	 "[::1]:7471. Port 0 is any free port. A name stands for those of its addresses that this "
	 "host has"},
	{"plaintext",
	 NULL,
	 NULL,
	 GROUP_NETWORK,
	 {SETTINGS_FLAG, FIELD(plaintext), 0, 1, NULL},
	 "listen on addresses beyond loopback although the control connection is not encrypted"},
	{"unix-socket",
	 "PATH",
	 NULL,
	 GROUP_NETWORK,
	 {SETTINGS_TEXT, FIELD(unix_socket), 1, 107, NULL},
	 "unix socket, or `none'. Default: /run/dso/storaged.sock as root, else "
	 "$XDG_RUNTIME_DIR/dso/storaged.sock, else /tmp/dso-UID/storaged.sock"},
	{"unix-mode",
	 "OCTAL",
	 NULL,
	 GROUP_NETWORK,
	 {SETTINGS_OCTAL, FIELD(unix_mode), 0, 0777, NULL},
	 "permissions of the unix socket. Default: 0666 as root, else 0600"},
	{"connections-max",
	 "N",
	 "16384",
	 GROUP_NETWORK,
	 {SETTINGS_NUMBER, FIELD(connections_max), 1, 1000000, NULL},
	 "connections of every kind; storaged closes any more at once. The limit on open files may "
	 "allow fewer"},

	{"namespace",
	 "NAME",
	 "default",
	 GROUP_MEMORY,
	 {SETTINGS_LIST, FIELD(namespaces), 1, CONTROL_NAMESPACE_BYTES_MAX, NULL},
	 "namespace with an arena of its own; repeat the option or separate several by commas"},
	{"memory",
	 "SIZE",
	 "25%",
	 GROUP_MEMORY,
	 {SETTINGS_SIZE, FIELD(memory_bytes), 65536, UINT64_C(1) << 46, NULL},
	 "arena of each namespace: bytes, KiB, MiB, GiB, TiB, or % of the memory that this host, "
	 "or storaged's control group, has available at the start"},
	{"memory-reserve",
	 NULL,
	 NULL,
	 GROUP_MEMORY,
	 {SETTINGS_FLAG, FIELD(memory_reserve), 0, 1, NULL},
	 "take all of --memory at the start, so that it cannot be missing later. Without this "
	 "option a page is taken when it is first written to, unless vm.overcommit_memory is 2"},
	{"objects-max",
	 "N",
	 STRING(STORE_OBJECTS_MAX_DEFAULT),
	 GROUP_MEMORY,
	 {SETTINGS_NUMBER, FIELD(objects_max), 1, STORE_OBJECTS_MAX, NULL},
	 "the most objects of a namespace"},
	{"opens-max",
	 "N",
	 STRING(STORE_OPENS_MAX_DEFAULT),
	 GROUP_MEMORY,
	 {SETTINGS_NUMBER, FIELD(opens_max), 1, STORE_OPENS_MAX, NULL},
	 "the most objects that one session has open at a time"},

	{"transports",
	 "LIST",
	 "shm,verbs,roce,tcp",
	 GROUP_TRANSPORTS,
	 {SETTINGS_SET, FIELD(transports), 0, 0, transports},
	 "the transports that storaged may offer to clients"},
	{"domain",
	 "DOMAIN",
	 "auto",
	 GROUP_TRANSPORTS,
	 {SETTINGS_CHOICE, FIELD(domain), 0, 0, domains},
	 "what executes atomics, for all transports: `device' (an RDMA device), `cpu', or `auto': "
	 "the device, if there is one that passes its self-test"},
	{"shm-fence",
	 "HOW",
	 "wait",
	 GROUP_TRANSPORTS,
	 {SETTINGS_CHOICE, FIELD(shm_fence), 0, 0, shm_fences},
	 "what to do with a process that has the memory mapped (transport shm) when its session "
	 "was silent for the TTL: `wait' for its end, until which it keeps what it holds; or "
	 "`kill' it, if storaged may"},
	{"device",
	 "NAME",
	 NULL,
	 GROUP_TRANSPORTS,
	 {SETTINGS_TEXT, FIELD(device), 1, 63, NULL},
	 "RDMA device, as ibv_devices shows it. Default: the first one that works"},
	{"io",
	 "ENGINE",
	 "auto",
	 GROUP_TRANSPORTS,
	 {SETTINGS_CHOICE, FIELD(io), 0, 0, settings_io},
	 "how transport tcp speaks to the kernel: `io_uring', `poll', or `auto': io_uring unless "
	 "refused"},
	{"roce-port",
	 "PORT",
	 STRING(ROCE_PORT),
	 GROUP_TRANSPORTS,
	 {SETTINGS_NUMBER, FIELD(roce_port), 0, 65535, NULL},
	 "UDP port of transport roce, at each address of --listen; any free port where it is "
	 "taken, and for 0"},
	{"workers",
	 "N",
	 "1",
	 GROUP_TRANSPORTS,
	 {SETTINGS_NUMBER, FIELD(workers), 1, 64, NULL},
	 "threads that execute what arrives over tcp, and as many for roce"},
	{"poll",
	 "POLICY",
	 "adaptive",
	 GROUP_TRANSPORTS,
	 {SETTINGS_CHOICE, FIELD(poll), 0, 0, polls},
	 "how workers wait: `adaptive' spins for 50 us after the last operation, then sleeps; "
	 "`busy' spins while it has connections, and takes a processor for each worker; `block' "
	 "sleeps at once"},

	{"ttl",
	 "DURATION",
	 "10s",
	 GROUP_SESSIONS,
	 {SETTINGS_DURATION, FIELD(ttl_ns), 100000000, UINT64_C(3600000000000), NULL},
	 "silence after which a session is fenced: ms, s or m"},
	{"linger-max",
	 "DURATION",
	 "60s",
	 GROUP_SESSIONS,
	 {SETTINGS_DURATION, FIELD(linger_max_ns), 0, UINT64_C(3600000000000), NULL},
	 "the longest linger, for which storaged keeps what a lost session holds; a session that "
	 "asks for more is refused. 0s: no session may linger"},
	{"sessions-max",
	 "N",
	 "8192",
	 GROUP_SESSIONS,
	 {SETTINGS_NUMBER, FIELD(sessions_max), 1, 65534, NULL},
	 "the most sessions at a time; a user (unix socket), an IPv4 address or an IPv6 network of "
	 "64 bits may have half of them"},

	{"log-level",
	 "LEVEL",
	 "info",
	 GROUP_PROGRAM,
	 {SETTINGS_CHOICE, FIELD(log_level), 0, 0, log_levels},
	 "error, warning, info or debug"},
	{"ready-fd",
	 "FD",
	 NULL,
	 GROUP_PROGRAM,
	 {SETTINGS_NUMBER, FIELD(ready_fd), 0, 1048576, NULL},
	 "write the line that says `ready' to this descriptor too, and close it"},
};

#define TABLE_COUNT (sizeof table / sizeof *table)
#define KEY_CONFIG  (SETTING_KEY_FIRST + (int)TABLE_COUNT)

/* The assignments, in their order. */
struct assignment {
	unsigned setting;
	const char *text;
	char origin[ORIGIN_BYTES_MAX];
};

struct assignments {
	struct assignment entry[ASSIGNMENTS_MAX];
	unsigned count;
	const char *config;
};

static int find(const char *name)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++)
		if (!strcmp(table[i].name, name))
			return (int)i;
	return -ENOENT;
}

static void variable_of(const struct setting *setting, char *variable, size_t variable_bytes)
{
	snprintf(variable, variable_bytes, "STORAGED_%s", setting->name);
	for (char *at = variable; *at; at++)
		*at = *at == '-' ? '_' : (char)toupper(*at);
}

/* ---- flags ---- */

static error_t parse_flag(int key, char *argument, struct argp_state *state)
{
	struct assignments *flags = state->input;
	struct assignment *entry = &flags->entry[flags->count];

	if (key == KEY_CONFIG) {
		flags->config = argument;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		argp_error(state, "`%s' is not a flag: storaged takes flags only", argument);
	if (key < SETTING_KEY_FIRST || key > KEY_CONFIG)
		return ARGP_ERR_UNKNOWN;
	if (flags->count == ASSIGNMENTS_MAX)
		argp_error(state, "more than %d flags", ASSIGNMENTS_MAX);
	entry->setting = (unsigned)(key - SETTING_KEY_FIRST);
	entry->text = argument ? argument : "yes";
	snprintf(entry->origin, sizeof entry->origin, "--%s", table[entry->setting].name);
	flags->count++;
	return 0;
}

/* Below the options argp breaks a long line without its indent, so no line is longer than 79. */
static const char around_options[] =
	"Storage daemon of dso-rdma: memory that functions read, write, compare-and-swap and "
	"fetch-and-add "
	"one-sidedly, over RDMA where there is a device, over shared memory on the same host, over "
	"RoCEv2 in user space, and over TCP."
	"\v"
	"Exit status:\n"
	"  0   after SIGTERM or SIGINT\n"
	"  1   it cannot start or go on: stderr says why\n"
	"  64  a flag that does not exist\n"
	"\n"
	"Environment:\n"
	"  Every option can be given as a variable, STORAGED_ and its name in capitals\n"
	"  with _ for -: STORAGED_LISTEN, STORAGED_SESSIONS_MAX,\n"
	"  STORAGED_PLAINTEXT=yes.\n"
	"  A flag wins over the environment, the environment over the file of --config,\n"
	"  the file over the default.\n"
	"\n"
	"Files:\n"
	"  The file of --config has a line `name = value' for each option that it sets,\n"
	"  and comments after #.\n"
	"\n"
	"  The restart marker is a file beside the unix socket, with its name and\n"
	"  `.state'; without a socket it is in the same directory, named after the\n"
	"  first address. From it the next storaged at that place learns whether\n"
	"  sessions may still hold locks. It grants none until those sessions must have\n"
	"  noticed the end, and its first line says locks-in=SECONDS.\n"
	"\n"
	"Signals:\n"
	"  SIGTERM, SIGINT  end every session, tell its client, and exit 0; a second\n"
	"                   signal ends storaged at once\n"
	"\n"
	"Examples:\n"
	"  $ storaged\n"
	"  $ storaged --listen 10.0.0.5 --plaintext --memory 8GiB --namespace red,blue\n"
	"  $ STORAGED_LISTEN=127.0.0.1:0 storaged --domain cpu --ttl 2s\n";

static char *option_help(const struct setting *setting)
{
	char *help = NULL;

	if (setting->initial &&
	    asprintf(&help, "%s. Default: %s", setting->help, setting->initial) < 0)
		return NULL;
	return help ? help : strdup(setting->help);
}

static int parse_flags(struct assignments *flags, int argc, char **argv)
{
	/* A title before each group, --config, and the end. */
	struct argp_option options[TABLE_COUNT + sizeof group_titles / sizeof *group_titles + 2] = {
		0};
	struct argp argp = {.options = options, .parser = parse_flag, .doc = around_options};
	unsigned count = 0;
	int r;

	for (unsigned i = 0; i < TABLE_COUNT; i++) {
		if (i == 0 || table[i].group != table[i - 1].group)
			options[count++] = (struct argp_option){.doc = group_titles[table[i].group],
								.group = (int)table[i].group};
		options[count++] = (struct argp_option){.name = table[i].name,
							.key = SETTING_KEY_FIRST + (int)i,
							.arg = table[i].argument,
							.doc = option_help(&table[i]),
							.group = (int)table[i].group};
	}
	options[count] = (struct argp_option){.name = "config",
					      .key = KEY_CONFIG,
					      .arg = "FILE",
					      .doc = "read settings from FILE",
					      .group = GROUP_PROGRAM};
	r = argp_parse(&argp, argc, argv, 0, NULL, flags);
	for (unsigned i = 0; i < count; i++)
		if (options[i].name)
			free((char *)options[i].doc);
	return -r;
}

/* ---- the file ---- */

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r\n");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		*--end = 0;
	return text;
}

static int parse_line(struct assignments *file, char *line, const char *origin, char *reason,
		      size_t reason_bytes)
{
	struct assignment *entry = &file->entry[file->count];
	char *value, *name;
	int setting;

	line[strcspn(line, "#")] = 0;
	name = trim(line);
	if (*name == 0)
		return 0;
	value = strchr(name, '=');
	if (!value) {
		snprintf(reason, reason_bytes, "%s: a line is `name = value'", origin);
		return -EINVAL;
	}
	*value++ = 0;
	name = trim(name);
	setting = find(name);
	if (setting < 0 || file->count == ASSIGNMENTS_MAX) {
		snprintf(reason, reason_bytes,
			 setting < 0 ? "%s: there is no setting `%.40s'"
				     : "%s: one line too many at `%.40s'",
			 origin, name);
		return -EINVAL;
	}
	entry->setting = (unsigned)setting;
	entry->text = strdup(trim(value));
	snprintf(entry->origin, sizeof entry->origin, "%s", origin);
	file->count++;
	return entry->text ? 0 : -ENOMEM;
}

static int parse_file(struct assignments *file, const char *path, char *reason, size_t reason_bytes)
{
	char line[LINE_BYTES_MAX], origin[ORIGIN_BYTES_MAX];
	FILE *stream = fopen(path, "re");
	int r = 0;

	if (!stream) {
		r = -errno;
		snprintf(reason, reason_bytes, "--config %s: %s", path, strerror(errno));
		return r;
	}
	for (unsigned number = 1; r == 0 && fgets(line, sizeof line, stream); number++) {
		snprintf(origin, sizeof origin, "%.120s:%u", path, number);
		if (!strchr(line, '\n') && !feof(stream)) {
			snprintf(reason, reason_bytes, "%s: the line is too long", origin);
			r = -EINVAL;
		} else {
			r = parse_line(file, line, origin, reason, reason_bytes);
		}
	}
	fclose(stream);
	return r;
}

/* ---- all together ---- */

/* Apply every assignment from @from to the setting @index; *ret_any says whether there was one. */
static int apply_all(struct settings *settings, unsigned index, const struct assignments *from,
		     bool *ret_any, char *reason, size_t reason_bytes)
{
	int r = 0;

	*ret_any = false;
	for (unsigned i = 0; i < from->count && r == 0; i++) {
		if (from->entry[i].setting != index)
			continue;
		*ret_any = true;
		r = settings_value_parse(&table[index].value, settings, from->entry[i].text,
					 from->entry[i].origin, reason, reason_bytes);
	}
	return r;
}

static int apply(struct settings *settings, unsigned index, const struct assignments *flags,
		 const struct assignments *file, char *reason, size_t reason_bytes)
{
	const struct setting *setting = &table[index];
	char variable[64];
	const char *text;
	bool any;
	int r = apply_all(settings, index, flags, &any, reason, reason_bytes);

	if (any)
		return r;
	variable_of(setting, variable, sizeof variable);
	text = getenv(variable);
	if (text && *text)
		return settings_value_parse(&setting->value, settings, text, variable, reason,
					    reason_bytes);
	r = apply_all(settings, index, file, &any, reason, reason_bytes);
	if (any || !setting->initial)
		return r;
	return settings_value_parse(&setting->value, settings, setting->initial, "default", reason,
				    reason_bytes);
}

int settings_read(struct settings *settings, int argc, char **argv, char *reason,
		  size_t reason_bytes)
{
	struct assignments *flags = calloc(2, sizeof *flags), *file = flags + 1;
	int r = -ENOMEM;

	snprintf(reason, reason_bytes, "out of memory");
	argp_program_version = "storaged " DSO_VERSION;
	*settings =
		(struct settings){.unix_mode = SETTINGS_UNIX_MODE_AUTO, .ready_fd = SETTINGS_NO_FD};
	if (!flags)
		return r;
	r = parse_flags(flags, argc, argv);
	if (r == 0 && !flags->config)
		flags->config = getenv("STORAGED_CONFIG");
	if (r == 0 && flags->config)
		r = parse_file(file, flags->config, reason, reason_bytes);
	for (unsigned i = 0; i < TABLE_COUNT && r == 0; i++)
		r = apply(settings, i, flags, file, reason, reason_bytes);
	/* Texts of flags are argv's; those of the file were copied, and copied again into
	 * @settings. */
	while (file->count)
		free((char *)file->entry[--file->count].text);
	free(flags);
	return r;
}

void settings_free(struct settings *settings)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++)
		settings_value_free(&table[i].value, settings);
}
