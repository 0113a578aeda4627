# shellcheck shell=bash
# Functions are called by check, and the shells that dsoctl starts expand what is in single quotes.
# shellcheck disable=SC2016,SC2317
# SPDX-License-Identifier: Apache-2.0
# For the tests of dsoctl beside it: checks that print TAP, and a storaged of their own. DSOCTL and STORAGED name the
# programs.
# Whoever starts this may have had signals ignored, as nohup does.
[ -n "${SIGNALS_ARE_DEFAULT-}" ] || SIGNALS_ARE_DEFAULT=yes exec env --default-signal "$0" "$@"
set -u
: "${DSOCTL:?names the program that is tested}" "${STORAGED:?names the storage daemon}"

scratch=$(mktemp -d) || exit 1
tests=0 failed=0
unset DSO_URL DSO_TRANSPORT DSO_TIMEOUT_MS DSO_POLL DSO_IO DSO_DEVICE

stop_storaged() {
	if [[ ${storaged_pid-} ]]; then
		kill "$storaged_pid" 2>/dev/null
		wait "$storaged_pid"
		storaged_pid=
	fi
}
trap 'stop_storaged; rm -rf "$scratch"' EXIT

dsoctl() { "$DSOCTL" "$@"; }

# check NAME STATUS OUTPUT COMMAND...: COMMAND exits with STATUS and prints OUTPUT, a pattern.
check() {
	local name=$1 status=$2 pattern=$3 printed
	shift 3
	printed=$("$@" 2>"$scratch/stderr")
	local got=$?
	tests=$((tests + 1))
	# shellcheck disable=SC2053
	if [[ $got -eq $status && $printed == $pattern ]]; then
		echo "ok $tests - $name"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $name"
		echo "# exit status $got, not $status, or unexpected output:"
		printf '# %s\n' "${printed//$'\n'/$'\n# '}"
		sed 's/^/# stderr: /' "$scratch/stderr"
	fi
}

# complains PATTERN: what the last check wrote to stderr is one line like PATTERN.
complains() {
	tests=$((tests + 1))
	# shellcheck disable=SC2053
	if [[ $(<"$scratch/stderr") == $1 && $(wc -l <"$scratch/stderr") -eq 1 ]]; then
		echo "ok $tests - and says why: $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - and says why: $1"
		sed 's/^/# stderr: /' "$scratch/stderr"
	fi
}

# json COMMAND...: every line of its output is JSON; prints "valid".
json() {
	local line
	"$@" >"$scratch/json" || return
	while IFS= read -r line; do
		python3 -m json.tool <<<"$line" >/dev/null || return
	done <"$scratch/json"
	echo valid
}

# field NAME COMMAND...: that member of the JSON object that COMMAND prints.
field() {
	local name=$1
	shift
	"$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$name"
}

# round_trip NAME BYTES: random bytes come back from a register as they went in.
round_trip() {
	head -c "$2" /dev/urandom >"$scratch/in"
	dsoctl register set "$1" <"$scratch/in" && dsoctl register get "$1" >"$scratch/out" &&
		cmp "$scratch/in" "$scratch/out"
}

# A storaged with a unix socket and an address, $unix_url and $tcp_url; DSO_URL is the former.
start_storaged() {
	local directory
	directory=$(mktemp -d "$scratch/storaged.XXXX")
	rm -f "$scratch/ready"
	"$STORAGED" --listen 127.0.0.1:0 --unix-socket "$directory/socket" --memory 64MiB --domain cpu \
		>"$scratch/ready" 2>"$scratch/log" &
	storaged_pid=$!
	for _ in {1..2400}; do [[ ! -s $scratch/ready ]] || break; sleep 0.05; done
	unix_url="dso+unix://$directory/socket"
	# Of a loaded machine's storaged.
	export DSO_URL=$unix_url DSO_TIMEOUT_MS=20000
	tcp_url=$(grep -o 'dso://[^ ]*' "$scratch/ready")
}

# Of programs in the background the process is needed itself: "$DSOCTL" below, not dsoctl.

# eventually COMMAND...: until it succeeds, for as long as only a hang takes.
eventually() {
	for _ in {1..2400}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}
held() { dsoctl ls --held | grep -q " $1\$"; }
since() { dsoctl ls --held | grep -q " $2  $1\$"; }
gone() { ! kill -0 "$(<"$1")" 2>/dev/null; }
taken() { [[ $(dsoctl semaphore available "$1") -eq 0 ]]; }
waiting() { [[ $(field waiting dsoctl --json barrier stat "$1") -eq $2 ]]; }
opened() { [[ $(field opens dsoctl --json stat "$1") -eq $2 ]]; }

# hold NAME COMMAND...: run it under the mutex in the background, as $holder.
hold() {
	"$DSOCTL" lock "$1" -- "${@:2}" &
	holder=$!
	eventually held "$1"
}
# ended NAME STATUS PROCESS: wait for a child of this shell, which check would do in another one.
ended() {
	wait "$3" 2>/dev/null
	check "$1" "$2" "" return_status $?
}
return_status() { return "$1"; }
# dead PROCESS: whether or not somebody has waited for it.
dead() {
	local state
	read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || return 0
	[[ $state == Z ]]
}
# killed PROCESS: without what the shell says of it.
killed() {
	kill -KILL "$1"
	wait "$1"
} 2>/dev/null

finish() {
	echo "1..$tests"
	exit $((failed != 0))
}
